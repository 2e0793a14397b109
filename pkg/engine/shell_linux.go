// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Shell is a command that somebody runs in the result of a step.
type Shell struct {
	BuildID  string
	Job      *plan.Job // stage that the step is of
	Step     int       // index of the step whose environment it is; len(Job.Steps) is that of a RUN after the last
	State    State
	Args     []string
	Env      []string // NAME=VALUE, in addition to the step's
	Network  string   // "" is the step's
	Terminal bool     // Stdin is one, and the command gets one
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer

	// Keep, if it is not nil, is called with what the command has left, if that has
	// changed.
	Keep func(ctx context.Context, s State) error
}

// Shell runs a command with the environment, user, directory, caches, mounts and
// network of a step, and throws away what it changes, except in caches and for Keep. Of a
// bootstrap that is what its base is configured in; the packages that apt installs
// are not mounted. The result is the command's exit status.
func (l *Local) Shell(ctx context.Context, sh Shell) (status int, err error) {
	r := &jobRun{Local: l, job: sh.Job, buildID: sh.BuildID, state: sh.State}
	step := &plan.Step{Action: &plan.Run{}}
	if sh.Step < len(sh.Job.Steps) {
		step = &sh.Job.Steps[sh.Step]
	}
	unlock, err := r.lockCaches(ctx, sh.Job.Caches)
	if err != nil {
		return 0, err
	}
	defer unlock()
	w, err := l.Snapshots.Prepare(ctx, sh.State.Layer)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Discard()) }()
	around, err := r.environmentOf(step, w.Root())
	if err != nil {
		return 0, err
	}
	if sh.Network != "" {
		around.network = sandbox.Network(sh.Network)
	}
	to, err := l.connect(ctx, around.network)
	if err != nil {
		return 0, err
	}
	status, err = execute(ctx, l.Sandbox, w, to, sandbox.Command{
		ID: fmt.Sprintf("shell-%d", l.Now().UnixNano()), Arch: sh.State.Config.Architecture, Args: sh.Args, Env: sh.Env,
		Cwd: sh.State.Config.Config.WorkingDir, Terminal: sh.Terminal, Limits: l.Limits, Stdin: sh.Stdin, Stdout: sh.Stdout, Stderr: sh.Stderr,
	}, around)
	if err == nil && sh.Keep != nil {
		err = r.keep(ctx, w, sh)
	}
	return status, err
}

// keep keeps what a shell has changed.
func (r *jobRun) keep(ctx context.Context, w Snapshot, sh Shell) error {
	layer, changed, err := w.Commit(ctx, sh.Job.Epoch)
	if err != nil || !changed {
		return err
	}
	s := State{Layer: layer, Config: sh.State.Config}
	if s.Layers, err = r.chain(ctx, layer); err != nil {
		return err
	}
	s.Config.AddHistory("# changed in a shell", r.created(), false)
	return sh.Keep(ctx, s)
}
