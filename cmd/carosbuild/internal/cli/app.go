// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/userns"
)

// App is what the commands share: the streams, the environment, the flags that
// every command has.
type App struct {
	Version        string // of this program
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Progress       string
	Runtime        string
	Kernel         string        // of virtual machines, "" for any
	Sandbox        string        // way of running steps that is asked for, "" for any
	Snapshots      string        // kind of snapshots that is asked for, "" for any
	StoreDir       func() string // a directory on the store's file system, "" where nothing can be written
	Copies         string        // why steps begin with copies, "" where they do not
	Foreign        bool          // builds of others are seen, too
	OutputMode     os.FileMode   // of disks, by the caller's umask
	Files          []decl.Source // of the declaration, for messages
	Origins        []decl.Source // what files of the declaration were made from, for messages
	Kas            KasSettings
	rawStderr      io.Writer      // for events, where stderr makes lines of text notes
	StageShown     bool           // of a build that is named: the command's own output says which
	outputShown    bool           // of steps, line by line
	Began          time.Time      // the program was started
	CommandPath    string         // of the command that was called, such as "carosbuild disk"
	scratch        string         // directory that stands in for those of the account, "" for none
	EndedBySignal  bool           // as it should: the command runs until it is told to end
	Confine        []string       // folders that declarations may read beside their own, / for all
	Within         *confine.Roots // that declarations may read; nil for everything
	Offline        bool           // nothing goes to the network
	Vendor         string         // folder that takes the place of the network, "" for none
	Downloads      *download.Recorder
	vendored       *offline.Folder // that of Vendor, once it was checked
}

// New is the program as it was called.
func New() *App {
	return &App{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Began: time.Now(), Downloads: &download.Recorder{}}
}

// Warnf prints a warning, once: the program inside the namespaces has been
// given the same options.
func (a *App) Warnf(format string, args ...any) {
	switch {
	case userns.Inside(a.Getenv):
	case a.AsJSON():
		a.Event(render.Event{Event: progress.Event{Kind: render.ErrorEvent, Text: fmt.Sprintf(format, args...)}, Warning: true})
	default:
		fmt.Fprintln(a.Stderr, "carosbuild: warning:", terminal.Text(fmt.Sprintf(format, args...)))
	}
}

// Env is a setting from the environment, or a default.
func (a *App) Env(name, def string) string {
	if v := a.Getenv("CAROSBUILD_" + name); v != "" {
		return v
	}
	return def
}

func (a *App) color() bool {
	f, ok := a.Stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// KasSettings are how projects of kas become declarations.
type KasSettings struct {
	From    string   // image of the host stage
	Base    string   // key of the repository of the base layer
	Update  bool     // lock files of kas are left out
	Remotes []string // NAME=URL of --remote
}
