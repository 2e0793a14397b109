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

	"github.com/sirupsen/logrus"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

func main() {
	umask, err := arrive()
	if err != nil {
		newApp().say(err)
		os.Exit(exitHost)
	}
	// The libraries of stores and registries log what they cannot return.
	logrus.SetOutput(&terminal.Writer{W: os.Stderr})
	if runsItself() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := newApp()
	a.version = buildVersion()
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
