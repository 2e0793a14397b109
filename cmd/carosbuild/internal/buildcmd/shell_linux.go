// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// NewShell is "carosbuild shell".
func NewShell(a *cli.App) *cobra.Command {
	var network string
	var limits limitOptions
	var certs certOptions
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Files),
		Use:               "shell BUILDID[:STAGE] [COMMAND...]",
		Short:             "Run a shell in a stage, and discard its changes",
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			if network != "" {
				if err := checkNetwork(network); err != nil {
					return err
				}
			}
			most, _, err := limits.read()
			if err != nil {
				return err
			}
			trusted, err := certs.read(a.Getenv)
			if err != nil {
				return err
			}
			return localstore.With(a, cmd, true, func(ctx context.Context, s *layer.Store, _ layer.Paths, _ cli.Dirs) error {
				return shell(ctx, a, s, args[0], args[1:], network, stepOptions{most, trusted})
			})
		},
	}
	cmd.Flags().SetInterspersed(false)
	a.ForeignFlag(cmd)
	cmd.Flags().StringVar(&network, "network", a.Env("NETWORK", ""), "auto, host or none (default that of the stage's steps)")
	certs.add(a, cmd.Flags())
	limits.add(a, cmd.Flags())
	return cmd
}

// stepOptions are what the command of a shell has of its options.
type stepOptions struct {
	limits       sandbox.Limits
	certificates []byte
}

func shell(ctx context.Context, a *cli.App, s *layer.Store, name string, command []string, network string, o stepOptions) (err error) {
	image, err := localstore.StageImage(ctx, a, s, true, name)
	if err != nil {
		return err
	}
	img, _, err := s.ImageByName(image)
	if err != nil {
		return err
	}
	cfg, _, err := s.Config(img)
	if err != nil {
		return err
	}
	j, err := newJob(ctx, a, false)
	if err != nil {
		return err
	}
	sh := stageShell(a, j.dirs, image)
	if len(command) == 0 {
		command = []string{"/bin/sh", "-i"}
	}
	sh.BuildID, _, _ = history.ParseImageName(image)
	sh.State, sh.Args, sh.Network = engine.State{Layer: img.Top, Config: cfg}, command, network
	sh.Stdin, sh.Stdout, sh.Stderr = os.Stdin, os.Stdout, os.Stderr
	if sh.Terminal = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())); sh.Terminal {
		sh.Env = []string{"TERM=" + a.Getenv("TERM")}
	}
	j.buildID = sh.BuildID
	of := steps{network: cmp.Or(sandbox.Network(network), sandbox.Network(sh.Job.Network), sandbox.AutoNetwork), limits: o.limits, jobs: 1}
	l, done, err := local(ctx, a, j, s, of, render.Quiet{}, func(e progress.Event) { noteEvent(a, e) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	l.Certificates = o.certificates
	status, err := l.Shell(ctx, sh)
	if err == nil && status != 0 {
		return cli.Exit(status)
	}
	return err
}

// stageShell says which step of which stage an image is of, as far as the build has
// left its plan: of a failed stage the step that failed, else what comes after the
// last one.
func stageShell(a *cli.App, d cli.Dirs, image string) engine.Shell {
	unknown := engine.Shell{Job: &plan.Job{}}
	id, stage, status := history.ParseImageName(image)
	if status == "" {
		return unknown
	}
	dir := filepath.Join(d.Logs(), id)
	p, err := history.ReadPlan(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(a.Stderr, "note: without the stage's caches and mirrors:", terminal.Text(err.Error()))
	}
	if err != nil || p.Job(stage) == nil { // pulled, or older
		return unknown
	}
	sh := engine.Shell{Job: p.Job(stage), Step: len(p.Job(stage).Steps)}
	if status != history.Failed {
		return sh
	}
	if r, err := history.ReadReport(dir); err == nil && r.Failed != nil && r.Failed.Stage == stage {
		sh.Step = max(r.Failed.Step-1, 0)
	}
	return sh
}

// noteEvent shows a note on stderr.
func noteEvent(a *cli.App, e progress.Event) {
	if e.Kind == progress.Note {
		fmt.Fprintln(a.Stderr, "note:", terminal.Text(e.Text))
	}
}
