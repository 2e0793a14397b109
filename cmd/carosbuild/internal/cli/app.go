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

// App is what the commands share: the streams, the environment, and the flags that
// every command has.
type App struct {
	Version        string // version of this program
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Progress       string
	Runtime        string
	Kernel         string        // kernel of virtual machines, "" for any
	Sandbox        string        // requested way of running steps, "" for any
	Snapshots      string        // requested kind of snapshots, "" for any
	StoreDir       func() string // a directory on the store's file system, "" if nothing can be written there
	Copies         string        // why steps begin with copies, "" if they do not
	Foreign        bool          // builds of other users are seen, too
	OutputMode     os.FileMode   // permissions of disks, by the caller's umask
	Files          []decl.Source // files of the declaration, for messages
	Origins        []decl.Source // what files of the declaration were made from, for messages
	Kas            KasSettings
	rawStderr      io.Writer      // for events, if stderr converts text to events
	StageShown     bool           // the command's own output says which stage of a named build is meant
	outputShown    bool           // the output of steps is shown, line by line
	Began          time.Time      // when the program was started
	CommandPath    string         // name of the called command, such as "carosbuild disk"
	scratch        string         // directory that replaces those of the account, "" for none
	EndedBySignal  bool           // a signal is the normal end: the command runs until it is told to end
	Confine        []string       // folders that declarations may read in addition to their own, / for all
	Within         *confine.Roots // folders that declarations may read; nil for everything
	Offline        bool           // nothing goes to the network
	Vendor         string         // folder that takes the place of the network, "" for none
	Downloads      *download.Recorder
	vendored       *offline.Folder // the folder Vendor, once it has been checked
}

// New is the App for the program as it was called.
func New() *App {
	return &App{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Began: time.Now(), Downloads: &download.Recorder{}}
}

// Warnf prints a warning, once: the program inside the namespaces gets the same
// options and does not repeat it.
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

// KasSettings determine how a project of kas becomes a declaration.
type KasSettings struct {
	From    string   // image of the host stage
	Base    string   // key of the base layer's repository
	Update  bool     // lock files of kas are ignored
	Remotes []string // NAME=URL of --remote
}
