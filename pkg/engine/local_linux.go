// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Local is the Executor of this machine. Its fields are set before Execute and not
// changed afterwards.
type Local struct {
	Cache     Cache
	Snapshots Snapshotter
	Chains    Chains // of Snapshots; nil: states have no digests of their layers, and are of use on this machine only
	Sandbox   Sandbox
	Images    Puller
	Packages  *debian.Fetcher
	Host      debian.Host
	Relay     *debian.Relay // proxy of apt in steps; nil without one, see StartRelay
	// Reach is the address by which steps reach a server on this machine's loopback; nil: the
	// server's own.
	Reach func(address string) string
	Git   *git.Cache

	Holder      string                    // who this is, for builds that wait for a lock
	CacheDir    string                    // directories of cache elements, locks of steps
	CacheSuffix string                    // end of the names of cache directories that others with other owners have, too
	CacheOwners owner.Policy              // of caches; nil asks the kernel
	Scratch     string                    // directory that vanishes with the process
	LogPath     func(stage string) string // of the file with its output
	Resolver    []byte                    // resolv.conf of commands that have the host's network, or none
	Network     Network                   // of commands that ask for none in particular; nil: the host's
	Offline     bool                      // no command has a network, whatever its stage asks for
	// Certificates are those of authorities that commands are to trust, in PEM; nil: those of
	// the root that they run in.
	Certificates []byte
	Proxies      map[string]string // variables of commands that have a network
	Limits       sandbox.Limits    // of the command of each step, and of a shell
	Output       int64             // bytes of each step's output that its log keeps; 0: all
	Now          func() time.Time
	Events       func(progress.Event)

	// Failed keeps how a failed step left a stage, and returns its name, "" if it
	// could not; nil: it is not kept.
	Failed func(ctx context.Context, stage string, s State) (name string, err error)
}

// Execute implements Executor.
func (l *Local) Execute(ctx context.Context, t Task) (out Outcome, err error) {
	if err := t.Check(); err != nil {
		return out, err
	}
	r := &jobRun{Local: l, job: t.Job, buildID: t.BuildID, below: map[string]State{}}
	defer r.close()
	if err := r.take(ctx, t); err != nil {
		return out, r.located(err)
	}
	for i := t.First; i < len(t.Job.Steps); i++ {
		did, err := r.step(ctx, i)
		if err == nil && t.Done != nil {
			err = r.located(t.Done(ctx, i, r.state))
		}
		if err != nil {
			return Outcome{State: r.state, Ran: out.Ran}, err
		}
		if did {
			out.Ran++
		}
	}
	out.State = r.state
	return out, nil
}

func (l *Local) event(ev progress.Event) {
	if l.Events == nil {
		return
	}
	ev.Time = l.Now()
	l.Events(ev)
}

// jobRun is one stage while its steps run.
type jobRun struct {
	*Local
	job     *plan.Job
	buildID string
	below   map[string]State // stages that the job needs
	state   State
	log     *stepLog
}

// take finds the layers of what a task begins with.
func (r *jobRun) take(ctx context.Context, t Task) (err error) {
	for id, s := range t.Dependencies {
		if r.below[id], err = settled(ctx, r.Chains, s); err != nil {
			return fmt.Errorf("stage %s: %w", id, err)
		}
	}
	r.state, err = settled(ctx, r.Chains, t.State)
	return err
}

// located says which stage an error is about.
func (r *jobRun) located(err error) error {
	if err != nil {
		err = fmt.Errorf("stage %s: %w", r.job.ID, err)
	}
	return err
}

// step does step i, unless another build does it at the same time: then it
// waits for that one and takes its result. It reports whether it ran.
func (r *jobRun) step(ctx context.Context, i int) (bool, error) {
	s := &r.job.Steps[i]
	unlock, err := r.lock(s.Key).take(ctx, func(by string) {
		r.event(progress.Event{Kind: progress.Note, Stage: r.job.ID, Text: fmt.Sprintf("step %d/%d (key %.12s) is already running in %s: waiting for its result", i+1, len(r.job.Steps), s.Key, by)})
	})
	if err != nil {
		return false, r.located(err)
	}
	defer unlock()
	st, ok, err := r.Cache.Lookup(ctx, s.Key)
	if err != nil {
		return false, r.located(err)
	}
	if ok {
		r.state = st
		r.event(stepEvent(progress.StepCached, r.job, i))
		return false, nil
	}
	r.event(stepEvent(progress.StepStarted, r.job, i))
	start := r.Now()
	if err := r.openLog(); err != nil {
		return false, r.located(err)
	}
	r.log.title(s.Title())
	if err := r.do(ctx, s); err != nil {
		var se *plan.StepError
		if !errors.As(err, &se) && ctx.Err() == nil {
			err = &plan.StepError{Stage: r.job.ID, Span: s.Span, Kind: s.Kind, Text: s.Text, Err: err, Tail: r.log.tail(), Log: r.log.path()}
		}
		return false, err
	}
	if err := r.Cache.Put(ctx, s.Key, r.state); err != nil {
		return false, r.located(err)
	}
	ev := stepEvent(progress.StepDone, r.job, i)
	ev.Seconds = r.Now().Sub(start).Seconds()
	r.event(ev)
	return true, nil
}

// do runs the step and moves the state on.
func (r *jobRun) do(ctx context.Context, s *plan.Step) error {
	switch a := s.Action.(type) {
	case *plan.Bootstrap:
		return r.bootstrap(ctx, s, a)
	case *plan.From:
		return r.from(ctx, a)
	case *plan.Run:
		return r.run(ctx, s, a)
	case *plan.Copy:
		return r.copy(ctx, s, a)
	case *plan.Workdir:
		return r.workdir(ctx, s, a)
	case *plan.Reposync:
		return r.reposync(ctx, s, a)
	case *plan.BBLayers:
		return r.confFile(ctx, s, a.Conf, writeBBLayers)
	case *plan.LocalConf:
		return r.confFile(ctx, s, a.Conf, writeLocalConf)
	case *plan.Bitbake:
		return r.bitbake(ctx, s, a)
	case *plan.Env:
		r.setEnv(a)
	case *plan.User:
		r.state.Config.Config.User = a.Name
	default:
		return fmt.Errorf("a step of kind %s is not known", s.Kind)
	}
	r.addHistory(s, true)
	return nil
}

// setEnv is an ENV action. All values are filled in as the variables were before.
func (r *jobRun) setEnv(a *plan.Env) {
	env := variablesOf(&r.state.Config, "/root", r.job.Epoch)
	values := make([]string, len(a.Variables))
	for i, v := range a.Variables {
		values[i] = v.Fill(func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		})
	}
	for i, v := range a.Variables {
		r.state.Config.SetEnv(v.Name, values[i])
	}
}

// created is the time that images and layers carry.
func (r *jobRun) created() time.Time {
	if r.job.Epoch != nil {
		return time.Unix(*r.job.Epoch, 0).UTC()
	}
	return r.Now().UTC()
}

func (r *jobRun) addHistory(s *plan.Step, empty bool) {
	r.state.Config.AddHistory(s.Title(), r.created(), empty)
}

// change runs f on a snapshot of the current layer and commits what it changed.
func (r *jobRun) change(ctx context.Context, s *plan.Step, f func(w Snapshot) error) error {
	w, err := r.Snapshots.Prepare(ctx, r.state.Layer)
	if err != nil {
		return err
	}
	if err := f(w); err != nil {
		return errors.Join(err, w.Discard())
	}
	layer, changed, err := w.Commit(ctx, r.job.Epoch)
	if err != nil {
		return errors.Join(err, w.Discard())
	}
	if changed {
		if r.state.Layers, err = r.chain(ctx, layer); err != nil {
			return err
		}
	}
	r.state.Layer = layer
	r.addHistory(s, !changed)
	return nil
}

// chain are the digests of a layer and those below it, as far as they are known.
func (r *jobRun) chain(ctx context.Context, layer string) ([]oci.Digest, error) {
	if r.Chains == nil {
		return nil, nil
	}
	return r.Chains.Chain(ctx, layer)
}

// from is a FROM action.
func (r *jobRun) from(ctx context.Context, a *plan.From) error {
	p := &pullProgress{stage: r.job.ID, ref: a.Image, event: r.event}
	st, err := r.Images.Pull(ctx, a.Pinned, a.Arch, p.add)
	if err != nil {
		return err
	}
	r.state = st
	return nil
}

func (r *jobRun) note(text string) {
	r.event(progress.Event{Kind: progress.Note, Stage: r.job.ID, Text: text})
}

func (r *jobRun) close() {
	if r.log != nil {
		r.log.close()
	}
}

func (r *jobRun) openLog() error {
	if r.log != nil {
		return nil
	}
	var err error
	r.log, err = openStepLog(r.LogPath(r.job.ID), func(line string) {
		r.event(progress.Event{Kind: progress.StepOutput, Stage: r.job.ID, Text: line})
	}, func(err error) { r.note("the log of the stage is incomplete: " + err.Error()) })
	return err
}
