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

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

func main() {
	cli.Become()
	umask, err := cli.Arrive()
	if err != nil {
		if !cli.Told(err) {
			cli.New().Say(err)
		}
		os.Exit(cli.ExitHost)
	}
	// The libraries of stores and registries log what they cannot return.
	logrus.SetOutput(&terminal.Writer{W: os.Stderr})
	if cli.RunsItself() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	ctx, stopReading := cli.WhileRead(ctx)
	a := cli.New()
	a.Version = buildVersion()
	a.OutputMode = 0o666 &^ os.FileMode(umask)
	called, err := commandFor(a, os.Args[1:]).ExecuteContextC(ctx)
	a.CommandPath = called.CommandPath()
	status := end(ctx, a, errors.Join(err, a.Close()))
	a.ReportEnd(status)
	stopReading()
	stop()
	os.Exit(status)
}

// end reports how a command ended, and returns the exit status.
func end(ctx context.Context, a *cli.App, err error) int {
	var inner cli.Exit
	switch {
	case errors.Is(context.Cause(ctx), cli.ErrNotRead): // nobody would read a message either
		return cli.ExitNotRead
	case errors.As(err, &inner): // it has said everything already
		return int(inner)
	case ctx.Err() != nil && !(a.EndedBySignal && err == nil):
		if !a.AsJSON() {
			fmt.Fprintln(a.Stderr, "carosbuild: interrupted")
		} else {
			a.Event(render.Event{Event: progress.Event{Kind: render.ErrorEvent, Text: "interrupted"}})
		}
		return cli.ExitInterrupted
	case err != nil:
		return a.Report(err)
	}
	return 0
}
