// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/runc"
)

// stageRun is one stage while its steps run.
type stageRun struct {
	*Engine
	plan     *plan.StagePlan
	below    map[string]StageResult
	resolved *resolve.Resolved
	state    state
	log      *stepLog
}

// recorded takes over the last step that is on record and returns how many
// steps need not run.
func (r *stageRun) recorded() (int, error) {
	for i := len(r.plan.Steps) - 1; i >= 0; i-- {
		s, ok, err := r.lookup(r.plan.Steps[i].Key)
		if err != nil {
			return 0, err
		}
		if ok {
			r.state = s
			return i + 1, nil
		}
	}
	return 0, nil
}

// step does step i, unless another build does it at the same time: then it
// waits for that one and takes its result. It reports whether it ran.
func (r *stageRun) step(ctx context.Context, i int) (bool, error) {
	s := &r.plan.Steps[i]
	unlock, err := r.lock(s.Key).take(ctx, func(by string) {
		r.event(progress.Event{Kind: progress.Note, Stage: r.plan.ID, Text: fmt.Sprintf("step %d/%d is being done by %s: waiting for its result", i+1, len(r.plan.Steps), by)})
	})
	if err != nil {
		return false, fmt.Errorf("stage %s: %w", r.plan.ID, err)
	}
	defer unlock()
	st, ok, err := r.lookup(s.Key)
	if err != nil {
		return false, fmt.Errorf("stage %s: %w", r.plan.ID, err)
	}
	if ok {
		r.state = st
		r.event(progress.Event{Kind: progress.StepCached, Stage: r.plan.ID, Step: i + 1, Steps: len(r.plan.Steps), Key: s.Key, Text: s.Title()})
		return false, nil
	}
	r.event(progress.Event{Kind: progress.StepStarted, Stage: r.plan.ID, Step: i + 1, Steps: len(r.plan.Steps), Key: s.Key, Text: s.Title()})
	start := r.Now()
	if err := r.openLog(); err != nil {
		return false, err
	}
	r.log.title(s.Title())
	if err := r.do(ctx, s); err != nil {
		var se *plan.StepError
		if !errors.As(err, &se) && ctx.Err() == nil {
			err = &plan.StepError{Stage: r.plan.ID, Span: s.Span, Kind: s.Kind, Text: s.Text, Err: err, Tail: r.log.tail(), Log: r.log.path()}
		}
		return false, err
	}
	if err := r.record(s); err != nil {
		return false, fmt.Errorf("stage %s: %w", r.plan.ID, err)
	}
	r.event(progress.Event{
		Kind: progress.StepDone, Stage: r.plan.ID, Step: i + 1, Steps: len(r.plan.Steps), Key: s.Key, Text: s.Title(),
		Seconds: r.Now().Sub(start).Seconds(),
	})
	return true, nil
}

// do runs the step and moves the state on.
func (r *stageRun) do(ctx context.Context, s *plan.StepPlan) error {
	if s.Kind == plan.BootstrapKind {
		return r.bootstrap(ctx, s)
	}
	switch a := s.Action; a.Kind {
	case decl.From:
		return r.from(ctx, s)
	case decl.Run:
		return r.run(ctx, s)
	case decl.Add, decl.Copy:
		return r.copy(ctx, s)
	case decl.Env:
		values := make([]string, len(a.Env)) // all of them as the variables were before
		for i, v := range a.Env {
			values[i] = r.expand(v)
		}
		for i, v := range a.Env {
			r.state.Config.SetEnv(v.Name, values[i])
		}
	case decl.User:
		r.state.Config.Config.User = a.Dest
	case decl.Workdir:
		return r.workdir(ctx, s)
	case decl.Reposync:
		return r.reposync(ctx, s)
	case decl.CreateBBLayers, decl.CreateLocalConf:
		return r.confFile(ctx, s)
	case decl.Bitbake:
		return r.bitbake(ctx, s)
	}
	r.addHistory(s, true)
	return nil
}

// expand is the value of a variable, with what the environment has so far.
func (r *stageRun) expand(v decl.EnvVar) string {
	env := r.environment(runc.User{Home: "/root"})
	return v.Fill(func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}

func (r *stageRun) addHistory(s *plan.StepPlan, empty bool) {
	r.state.Config.AddHistory(s.Title(), r.created(), empty)
}

// record makes the step's result known under its key.
func (r *stageRun) record(s *plan.StepPlan) error {
	config, err := json.Marshal(r.state.Config)
	if err != nil {
		return err
	}
	r.made.add(s.Key)
	return r.Records.Put(layer.Record{Key: s.Key, Layer: r.state.Layer, Config: config, Created: r.Now()})
}

func (r *stageRun) close() {
	if r.log != nil {
		r.log.Close()
	}
}

func (r *stageRun) openLog() error {
	if r.log != nil {
		return nil
	}
	var err error
	r.log, err = openStepLog(r.LogPath(r.plan.ID), func(line string) {
		r.event(progress.Event{Kind: progress.StepOutput, Stage: r.plan.ID, Text: line})
	})
	return err
}
