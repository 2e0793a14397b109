// SPDX-License-Identifier: MPL-2.0

// Command carosbuild turns an XML declaration into stage images and bootable
// disks, as an ordinary user.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/sirupsen/logrus"
	"go.podman.io/storage/pkg/reexec"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/vm/guest"
)

func main() {
	guest.Main(os.Args) // a step's virtual machine has this program as its first process
	umask := 0
	if userns.Inside(os.Getenv) {
		var err error
		if umask, err = userns.Settle(os.Args, os.Environ()); err != nil {
			newApp().say(err)
			os.Exit(exitHost)
		}
	}
	// The store's library logs what it cannot return.
	logrus.SetOutput(&terminal.Writer{W: os.Stderr})
	if reexec.Init() { // containers/storage runs itself for some work
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := newApp()
	a.outputMode = 0o666 &^ os.FileMode(umask)
	called, err := a.command().ExecuteContextC(ctx)
	a.commandPath = called.CommandPath()
	status := a.end(ctx, err)
	a.reportEnd(status)
	os.Exit(status)
}

// end reports how a command ended, and returns the exit status.
func (a *app) end(ctx context.Context, err error) int {
	var inner innerExit
	switch {
	case errors.As(err, &inner): // it has said everything already
		return int(inner)
	case ctx.Err() != nil && !(a.endedBySignal && err == nil):
		if !a.asJSON() {
			fmt.Fprintln(a.stderr, "carosbuild: interrupted")
		} else {
			a.event(jsonEvent{Event: progress.Event{Kind: errorEvent, Text: "interrupted"}})
		}
		return exitInterrupted
	case err != nil:
		return a.report(err)
	}
	return 0
}
