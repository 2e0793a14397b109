// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/files"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Local is the Executor of this machine. Its fields are set before Execute and not
// changed afterwards.
type Local struct {
	Cache     Cache
	Snapshots Snapshotter
	Chains    Chains // of Snapshots; nil: states lack the digests of their layers, and are for this machine only
	Sandbox   Sandbox
	Images    Puller
	Packages  *debian.Fetcher
	Host      debian.Host
	Relay     *debian.Relay // proxy for apt in steps, or nil; see StartRelay
	// Reach returns the address at which steps reach a server on this machine's loopback;
	// nil: the server's own address.
	Reach func(address string) string
	Git   *git.Cache
	Added files.Memory // of the files of this machine that are added

	Holder      string                    // the name of this build, for builds that wait for a lock
	CacheDir    string                    // directories of cache elements, locks of steps
	CacheSuffix string                    // suffix of cache directories, to separate those with other owners
	CacheOwners owner.Policy              // of caches; nil asks the kernel
	Scratch     string                    // directory that vanishes with the process
	LogPath     func(stage string) string // of a stage's log
	Resolver    []byte                    // resolv.conf for commands that have the host's network, or none
	Network     Network                   // for commands that name none; nil: the host's
	Offline     bool                      // no command has a network, whatever its stage asks for
	// Certificates are those of the authorities that commands trust, in PEM; nil: those of
	// the root that they run in.
	Certificates []byte
	Proxies      map[string]string // variables of commands that have a network
	Limits       sandbox.Limits    // for the command of each step and for a shell
	Output       int64             // bytes of each step's output that the log keeps; 0: all
	Now          func() time.Time
	Events       func(progress.Event)

	// Failed keeps a stage as a failed step left it, and returns its name, "" if it could
	// not; nil: it is not kept.
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

// take finds the layers that a task begins with.
func (r *jobRun) take(ctx context.Context, t Task) (err error) {
	for id, s := range t.Dependencies {
		if r.below[id], err = settled(ctx, r.Chains, s); err != nil {
			return fmt.Errorf("stage %s: %w", id, err)
		}
	}
	r.state, err = settled(ctx, r.Chains, t.State)
	return err
}

// located adds the name of the stage to an error.
func (r *jobRun) located(err error) error {
	if err != nil {
		err = fmt.Errorf("stage %s: %w", r.job.ID, err)
	}
	return err
}

// step executes step i, unless another build is executing it: then it waits and uses
// that result. It reports whether it executed the step.
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
			err = r.stepError(s, err)
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

// do runs the step and updates the state.
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

// setEnv is an ENV action. All its values are expanded with the variables before it.
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

// created is the creation time of images and layers.
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

// chain are the digests of a layer and those below it, or nil if they are not known.
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
	failure.Clear(&st.Config) // what is based on a half-done stage has not failed
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
