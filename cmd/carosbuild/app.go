// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// app is what the commands share: the streams, the environment, the flags that
// every command has.
type app struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	progress       string
	runtime        string
	sandbox        string        // rung of the ladder that is asked for, "" for any
	snapshots      string        // kind of snapshots that is asked for, "" for any
	copies         string        // why steps begin with copies, "" where they do not
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

func (a *app) command() *cobra.Command {
	root := newBuildCommand(a).command("carosbuild FILE...")
	root.Short = "Turn an XML declaration into stage images and bootable disks"
	root.Long = ""
	root.Version = buildVersion()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		a.divert()
		return a.checkSandbox()
	}
	root.SetFlagErrorFunc(a.flagError)
	root.PersistentFlags().StringVar(&a.progress, "progress", a.env("PROGRESS", "auto"), "how to show progress: auto, tty, plain, json or quiet")
	root.PersistentFlags().StringVar(&a.runtime, "runtime", a.env("RUNTIME", ""), "OCI runtime to run steps with (default runc, else crun)")
	root.PersistentFlags().StringVar(&a.sandbox, "sandbox", a.env("SANDBOX", ""), "how steps are to run: "+strings.Join(rung.All().Names(), ", ")+" (default the first that works here, see carosbuild doctor)")
	root.PersistentFlags().StringVar(&a.snapshots, "snapshots", a.env("SNAPSHOTS", ""), "how steps get their root: overlay or copy (default the first that works where the store is)")
	root.AddCommand(
		newBuildCommand(a).command("build FILE..."), planCommand(a), whyCommand(a), lockCommand(a), newCheckoutCommand(a), kasCommand(a), importCommand(a), schemaCommand(a),
		imagesCommand(a), newPruneCommand(a), shellCommand(a), pushCommand(a), newPullCommand(a), exportCommand(a),
		newDiskCommand(a), inspectCommand(a), diffCommand(a), newBootCommand(a),
		newResultsCommand(a), newServeCommand(a), newReleaseCommand(a), feedCommand(a),
		doctorCommand(a), targetsCommand(a), versionCommand(a), manCommand(a),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Write a script that makes a shell complete commands, builds, disks and files"
		}
	}
	a.foldHelp(root)
	a.completeFlags(root)
	for _, name := range []string{"progress", "runtime", "sandbox", "snapshots"} {
		a.completeFlag(root, root.PersistentFlags().Lookup(name))
	}
	return root
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

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the RELAX NG schema of declarations, for editors and xmllint", Args: exactly(0),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(decl.Schema())
			return err
		},
	}
}

func (a *app) color() bool {
	f, ok := a.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// account is who calls, inside the namespaces too.
func (a *app) account() userns.Account {
	if userns.Inside(a.getenv) {
		uid, _ := strconv.Atoi(a.getenv("_CONTAINERS_ROOTLESS_UID"))
		return userns.Account{UID: uid}
	}
	acc := userns.Account{UID: os.Getuid(), GID: os.Getgid()}
	if u, err := user.Current(); err == nil {
		acc.Name = u.Username
	}
	return acc
}

// inside runs the whole command again inside the namespaces when it is not
// there yet. Only when that returns true the caller goes on.
func (a *app) inside(cmd *cobra.Command, foreground bool) (bool, error) {
	if userns.Inside(a.getenv) {
		return true, nil
	}
	return false, a.enterNamespaces(cmd, foreground, nil)
}

// enterWith runs the command again inside the namespaces and hands it something.
func (a *app) enterWith(cmd *cobra.Command, data []byte) error {
	return a.enterNamespaces(cmd, false, data)
}

func (a *app) enterNamespaces(cmd *cobra.Command, foreground bool, data []byte) error {
	// The inner program is ended by the signals that reach this one.
	h := a.host()
	status, err := rung.All().Start(context.WithoutCancel(cmd.Context()), a.sandbox, h, userns.Entry{
		Account: h.Account, Args: os.Args, Env: append(os.Environ(), fmt.Sprintf("%s=%d", callerVar, os.Getpid())),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Foreground: foreground, Handover: data,
	})
	if err == nil && status != 0 {
		err = innerExit(status)
	}
	return err
}

// callerVar tells the program inside the namespaces, where process ids are
// others, which process the user has started.
const callerVar = "_CAROSBUILD_CALLER"

// caller is the process that the user has started, 0 when unknown.
func (a *app) caller() int {
	n, _ := strconv.Atoi(a.getenv(callerVar))
	return n
}

// holder says who has the store open, to others that want it alone.
func (a *app) holder() string {
	what := "carosbuild"
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") { // no more: there may be a password
		what += " " + terminal.Cut(oneLine(os.Args[1]), plainText)
	}
	return fmt.Sprintf("%s, process %d", what, a.caller())
}

// cleanBuildID drops what a build id may not have; it becomes part of an image
// name, which has no capital letters.
func cleanBuildID(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, id)
}
