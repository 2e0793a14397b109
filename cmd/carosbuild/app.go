// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/userns"
)

// app is what the commands share: the streams, the environment, the flags that
// every command has.
type app struct {
	version        string // of this program
	stdout, stderr io.Writer
	getenv         func(string) string
	progress       string
	runtime        string
	foreign        bool          // builds of others are seen, too
	outputMode     os.FileMode   // of disks, by the caller's umask
	files          []decl.Source // of the declaration, for messages
	origins        []decl.Source // what files of the declaration were made from, for messages
	kas            kasSettings
	rawStderr      io.Writer // for events, where stderr makes lines of text notes
	stageShown     bool      // of a build that is named: the command's own output says which
	outputShown    bool      // of steps, line by line
	began          time.Time // the program was started
	commandPath    string    // of the command that was called, such as "carosbuild disk"
	endedBySignal  bool      // as it should: the command runs until it is told to end
}

func newApp() *app {
	return &app{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, began: time.Now()}
}

// warnf prints a warning, once: the program inside the namespaces has been
// given the same options.
func (a *app) warnf(format string, args ...any) {
	switch {
	case userns.Inside(a.getenv):
	case a.asJSON():
		a.event(jsonEvent{Event: progress.Event{Kind: errorEvent, Text: fmt.Sprintf(format, args...)}, Warning: true})
	default:
		fmt.Fprintln(a.stderr, "carosbuild: warning:", terminal.Text(fmt.Sprintf(format, args...)))
	}
}

// env is a setting from the environment, or a default.
func (a *app) env(name, def string) string {
	if v := a.getenv("CAROSBUILD_" + name); v != "" {
		return v
	}
	return def
}

func (a *app) color() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// kasSettings are how projects of kas become declarations.
type kasSettings struct {
	from    string   // image of the host stage
	base    string   // key of the repository of the base layer
	update  bool     // lock files of kas are left out
	remotes []string // NAME=URL of --remote
}
