// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/stepflags"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// shellCommand is "carosbuild shell": its flags, and what they mean.
type shellCommand struct {
	*cli.App
	limits       stepflags.Limits
	certificates stepflags.Certificates
	network      string
	arch         string
	keep         bool
	asked        bool // for a network, by the option
	most         sandbox.Limits
	trusted      []byte // certificates
}

// NewShell is "carosbuild shell".
func NewShell(a *cli.App) *cobra.Command {
	c := &shellCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Files),
		Use:               "shell BUILDID[:STAGE]|IMAGE [COMMAND...]",
		Short:             "Run a shell in a stage, or in a failed step from elsewhere, and discard its changes",
		Long: `Run a shell in a stage, and discard its changes.

Of a failed stage (BUILDID:STAGE-failure) the shell has the world of the step that failed:
its environment, user, directory, network and caches. IMAGE is one that a build has pushed
elsewhere with --push-failed: REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]. It is fetched,
and the place, the command, the exit status and the last output of the step are shown. Its
caches are empty, and the host's network is only had with --network host.`,
		Example: `  carosbuild shell latest
  carosbuild shell registry.example.org/caros/failed:020-caros
  carosbuild shell oci:/mnt/failed make -k`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			if err := c.read(); err != nil {
				return err
			}
			c.asked = cmd.Flags().Changed("network")
			return localstore.With(a, cmd, true, func(ctx context.Context, s *layer.Store, _ layer.Paths, _ cli.Dirs) error {
				command := args[1:]
				if len(command) > 0 && command[0] == "--" {
					command = command[1:]
				}
				return c.run(ctx, s, args[0], command)
			})
		},
	}
	cmd.Flags().SetInterspersed(false)
	a.ForeignFlag(cmd)
	cmd.Flags().StringVar(&c.network, "network", a.Env("NETWORK", ""), "auto, host or none (default that of the stage's steps)")
	cmd.Flags().StringVar(&c.arch, "arch", "", "which image of several, where it is not in the store, such as amd64, armhf or arm/v6 (default this machine's)")
	cmd.Flags().BoolVar(&c.keep, "keep", false, "keep what is changed in the half-done stage, for carosbuild resume --skip")
	c.certificates.Add(a, cmd.Flags())
	c.limits.Add(a, cmd.Flags())
	return cmd
}

// read reads what the flags say.
func (c *shellCommand) read() (err error) {
	if c.network != "" {
		if err := stepflags.CheckNetwork(c.network); err != nil {
			return err
		}
	}
	if c.most, _, err = c.limits.Read(); err != nil {
		return err
	}
	c.trusted, err = c.certificates.Read(c.Getenv)
	return err
}

func (c *shellCommand) run(ctx context.Context, s *layer.Store, name string, command []string) (err error) {
	a := c.App
	j, err := newJob(ctx, a, false)
	if err != nil {
		return err
	}
	w, err := c.open(ctx, s, j, name)
	if err != nil {
		return err
	}
	if w.foreign && !c.asked { // a variable is for builds
		c.network = ""
	}
	w.tell(a, c.network)
	if len(command) == 0 {
		command = []string{"/bin/sh", "-i"}
	}
	sh := w.Shell
	sh.Args, sh.Network = command, c.network
	attach(a, &sh)
	if c.keep && !w.failed {
		return cli.Usagef("--keep is for the half-done stage of a build of yours: BUILDID:STAGE-failure")
	}
	if c.keep {
		sh.Keep = keepFailed(s, sh.BuildID, sh.Job.ID)
	}
	j.buildID = sh.BuildID
	of := steps{network: cmp.Or(sandbox.Network(c.network), sandbox.Network(sh.Job.Network), sandbox.AutoNetwork), limits: c.most, jobs: 1}
	l, done, err := local(ctx, a, j, s, of, render.Quiet{}, func(e progress.Event) { noteEvent(a, e) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	l.Certificates = c.trusted
	if w.foreign {
		if r := a.Rung(ctx); r.Name == "chroot" {
			note(a, "the sandbox "+r.Name+" is no boundary for an image that somebody has made up: trust its maker, or use another --sandbox")
		}
		release, err := estrange(l, sh.Job, j.dirs, func(text string) { note(a, text) })
		if err != nil {
			return err
		}
		defer func() { _ = release() }() // what is left, the next one removes
	}
	status, err := l.Shell(ctx, sh)
	if err == nil && c.keep {
		note(a, "the changes are kept: carosbuild resume "+sh.BuildID+" --skip continues with them")
	}
	if err == nil && status != 0 {
		return cli.Exit(status)
	}
	return err
}

// attach gives a shell this process's streams, and a terminal if they are one.
func attach(a *cli.App, sh *engine.Shell) {
	sh.Stdin, sh.Stdout, sh.Stderr = os.Stdin, os.Stdout, os.Stderr
	if sh.Terminal = onTerminal(); sh.Terminal {
		sh.Env = []string{"TERM=" + a.Getenv("TERM")}
	}
}

// onTerminal reports whether a person can type into a shell here.
func onTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// noteEvent shows a note on stderr.
func noteEvent(a *cli.App, e progress.Event) {
	if e.Kind == progress.Note {
		note(a, e.Text)
	}
}

func note(a *cli.App, text string) { fmt.Fprintln(a.Stderr, "note:", terminal.Text(text)) }
