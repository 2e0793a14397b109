// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// environment is what the command of a step runs in.
type environment struct {
	user    sandbox.User
	mounts  []sandbox.Mount
	env     map[string]string
	network sandbox.Network
}

// environmentOf is the environment of a step's command in a root: for the step itself,
// and for a shell in a failed stage.
func (r *jobRun) environmentOf(s *plan.Step, root string) (environment, error) {
	user, err := r.userOf(s, root)
	if err != nil {
		return environment{}, err
	}
	w := environment{user: user, env: variablesOf(&r.state.Config, user.Home, r.job.Epoch), network: cmp.Or(sandbox.Network(r.job.Network), sandbox.AutoNetwork)}
	if r.Offline {
		w.network = sandbox.NoNetwork
	}
	caches := r.job.Caches
	switch s.Action.(type) {
	case *plan.Bootstrap:
		w.network = sandbox.NoNetwork
		return w, nil
	case *plan.Bitbake:
		if w.mounts, err = r.mounts(root, bitbakeCaches(caches, user.UID), user); err != nil {
			return w, err
		}
		return w, r.addHost(&w, false)
	}
	if w.mounts, err = r.mounts(root, caches, user); err != nil {
		return w, err
	}
	return w, r.addHost(&w, true)
}

// userOf is the user that runs the command of a step.
func (r *jobRun) userOf(s *plan.Step, root string) (sandbox.User, error) {
	name := r.state.Config.Config.User
	switch a := s.Action.(type) {
	case *plan.Bootstrap:
		return sandbox.User{Home: "/root"}, nil
	case *plan.Bitbake:
		name = cmp.Or(a.User, name)
	}
	return sandbox.LookupUser(root, name)
}

// command is a command for a snapshot, in an environment.
type command struct {
	environment
	args     []string
	failed   func(*plan.StepError) // completes the error of a command that failed; may be nil
	packages int64                 // how many it configures, for the progress; 0 if apt will say
}

// run is a RUN action.
func (r *jobRun) run(ctx context.Context, s *plan.Step, a *plan.Run) error {
	unlock, err := r.lockCaches(ctx, r.job.Caches)
	if err != nil {
		return err
	}
	defer unlock()
	return r.change(ctx, s, func(w Snapshot) error {
		around, err := r.environmentOf(s, w.Root())
		if err != nil {
			return err
		}
		return r.command(ctx, s, w, command{environment: around, args: a.Args})
	})
}

// command runs a command in the snapshot and turns a failure into a
// plan.StepError.
func (r *jobRun) command(ctx context.Context, s *plan.Step, w Snapshot, c command) error {
	to, err := r.connect(ctx, c.network)
	if err != nil {
		return err
	}
	packages := &packageWatch{event: r.event, stage: r.job.ID, total: c.packages}
	r.log.watchPackages(packages.line)
	out, done := r.output()
	status, err := execute(ctx, r.Sandbox, w, to, sandbox.Command{
		ID: s.Key[:min(16, len(s.Key))] + "-" + strconv.Itoa(os.Getpid()), Arch: r.state.Config.Architecture, Args: c.args,
		Cwd: r.state.Config.Config.WorkingDir, Stdout: out, Stderr: out, Limits: r.Limits,
	}, c.environment)
	done()
	r.log.watchPackages(nil)
	packages.end()
	if err != nil {
		return err
	}
	if status != 0 {
		return r.failure(ctx, s, w, status, c.failed)
	}
	return nil
}

// connect connects a command to the network that it wants.
func (l *Local) connect(ctx context.Context, wanted sandbox.Network) (sandbox.Connection, error) {
	if wanted == sandbox.AutoNetwork {
		if l.Network != nil {
			return l.Network.Join(ctx)
		}
		wanted = sandbox.HostNetwork
	}
	return sandbox.Connection{Network: wanted, Resolver: l.Resolver}, nil
}

// output returns the writer for a step's command; end is called after the command.
func (r *jobRun) output() (w io.Writer, end func()) {
	if r.Output <= 0 {
		return r.log, func() {}
	}
	out := sandbox.NewOutput(r.log, r.Output)
	return out, func() {
		if n := out.Dropped(); n > 0 {
			r.note(fmt.Sprintf("%d bytes of a step's output are missing from the log of the stage: the limit of a step's output is %d bytes", n, r.Output))
		}
		_ = out.Close() // the log takes everything
	}
}

// execute runs a command in a snapshot: of a step, a bootstrap, a shell or a trial. What
// it needs in the root is planted before, and removed after it. S has what is not part of
// the environment.
func execute(ctx context.Context, box Sandbox, w Snapshot, to sandbox.Connection, s sandbox.Command, around environment) (status int, err error) {
	planted, err := sandbox.Plant(w.Root(), around.mounts, to.Resolver)
	if err != nil {
		return 0, err
	}
	if err := planted.StatBy(w.Owners().Stat); err != nil {
		return 0, errors.Join(err, planted.Remove(w.Root(), w.Revert))
	}
	s.Root, s.Cwd = w.Root(), cmp.Or(s.Cwd, "/")
	s.UID, s.GID, s.Groups = around.user.UID, around.user.GID, around.user.Groups
	s.Env, s.Mounts, s.Network, s.NetNS = append(environ(around.env), s.Env...), around.mounts, to.Network, to.NetNS
	status, err = box.Run(ctx, s)
	if e := planted.Remove(w.Root(), w.Revert); e != nil && err == nil {
		err = e
	}
	return status, err
}

// failure is the error for a command with a nonzero exit status. The unfinished stage
// becomes an image if Failed is set.
func (r *jobRun) failure(ctx context.Context, s *plan.Step, w Snapshot, status int, more func(*plan.StepError)) error {
	e := r.stepError(s, nil)
	e.Status = status
	if more != nil {
		more(e)
	}
	if r.Failed == nil {
		return e
	}
	layer, changed, err := w.Commit(ctx, r.job.Epoch)
	if err == nil {
		r.addHistory(s, !changed)
		err = r.markFailed(e)
	}
	if err == nil {
		e.Image, err = r.Failed(ctx, r.job.ID, State{Layer: layer, Config: r.state.Config})
	}
	if err != nil {
		return errors.Join(e, fmt.Errorf("keep the failed stage: %w", err))
	}
	return e
}

// stepError is the error for a step.
func (r *jobRun) stepError(s *plan.Step, err error) *plan.StepError {
	step := slices.IndexFunc(r.job.Steps, func(o plan.Step) bool { return o.Key == s.Key }) + 1
	return &plan.StepError{Stage: r.job.ID, Step: step, Span: s.Span, Kind: s.Kind, Text: s.Text, Err: err, Tail: r.log.tail(), Log: r.log.path()}
}

// mostOfLog is how much of a step's output may be noted in the image of a half-done
// stage, in bytes.
const mostOfLog = 64 << 10

// markFailed notes in the configuration how the step failed.
func (r *jobRun) markFailed(e *plan.StepError) error {
	log, err := r.log.end(mostOfLog)
	if err != nil { // it was removed: what is known of it will do
		log = strings.Join(e.Tail, "\n")
	}
	hidden := slices.Collect(maps.Values(r.Proxies))
	rec := failure.Record{
		Build: r.buildID, Stage: e.Stage, Step: e.Step, Steps: len(r.job.Steps), Kind: e.Kind, Text: failure.Redact(e.Text),
		File: e.Span.File, Line: e.Span.Line, Column: e.Span.Col, Status: e.Status, Log: failure.Redact(log, hidden...),
		World: failure.WorldOf(r.job, e.Step-1),
	}
	return rec.Mark(&r.state.Config)
}

// variablesOf are what a command finds: a few defaults, the image's own, and
// nothing of the caller's.
func variablesOf(c *oci.Config, home string, epoch *int64) map[string]string {
	env := plan.DefaultEnvironment(home, epoch)
	for _, v := range c.Environ() {
		env[v[0]] = v[1]
	}
	return env
}

func environ(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
