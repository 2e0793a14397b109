// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Engine runs plans on this machine, inside the user namespace. Its fields are
// set before Run and not changed afterwards.
type Engine struct {
	Store    *layer.Store
	Records  *layer.Records
	Images   Images
	Runtime  *runc.Runtime
	Fetcher  *debian.Fetcher
	Host     debian.Host
	Registry registry.Client
	Git      *git.Cache

	Scratch string // directory that vanishes with the process

	CacheDir   string                    // directories of cache elements, locks of steps
	LogPath    func(stage string) string // of the file with its output
	BuildID    string
	Caller     int    // process that was started by the user; 0 when unknown
	Jobs       int    // stages at a time
	Epoch      *int64 // SOURCE_DATE_EPOCH
	Network    runc.Network
	Resolver   []byte // the host's resolv.conf
	NoCache    bool   // run every step anew
	KeepFailed bool   // keep the half-done stage of a failed step as an image
	Now        func() time.Time
	Events     func(progress.Event)

	relay  *debian.Relay   // of the Run under way; nil if the host has no passwords for apt
	healed map[string]bool // layers that Heal has marked
	made   keySet          // of steps that this Engine has run
}

// Images keeps what stages leave, under names.
type Images interface {
	// Done keeps a finished stage and returns the id of its image.
	Done(ctx context.Context, stage, layer string, config oci.Config) (id string, err error)
	// Start keeps what a stage without a parent begins with.
	Start(ctx context.Context, stage, layer string, config oci.Config) error
	// Failed keeps how a failed step left a stage, and returns its name; "" if
	// it could not be kept.
	Failed(ctx context.Context, stage, layer string, config oci.Config) (name string, err error)
}

// keySet is a set of keys for several goroutines. The zero value is empty.
type keySet struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (s *keySet) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	s.keys[key] = true
}

func (s *keySet) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key]
}

// StageResult is a stage that is built.
type StageResult struct {
	ID     string
	Layer  string // id of the top layer, "" for an empty stage
	Image  string // id of the image
	Ran    int    // steps that were executed
	Config oci.Config
}

// Result is a plan that was run.
type Result struct {
	BuildID string
	Stages  map[string]StageResult
	Ran     int // steps that were executed, over all stages
}

// Run runs what of the plan is not on record, stages that do not need each
// other side by side, and keeps the image of each stage. The first failure ends
// the others. It is a StepError when a step is to blame.
func (e *Engine) Run(ctx context.Context, p *plan.Plan, res *resolve.Resolved) (result *Result, err error) {
	if err := e.startRelay(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.relay.Close()) }()
	out := &Result{BuildID: e.BuildID, Stages: map[string]StageResult{}}
	var mu sync.Mutex
	done := map[string]chan struct{}{}
	for _, s := range p.Stages {
		done[s.ID] = make(chan struct{})
	}
	slots := make(chan struct{}, max(e.Jobs, 1))
	g, ctx := errgroup.WithContext(ctx)
	for i := range p.Stages {
		sp := &p.Stages[i]
		g.Go(func() error {
			for _, n := range sp.Needs {
				select {
				case <-done[n]:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			defer func() { <-slots }()
			mu.Lock()
			below := map[string]StageResult{}
			for _, n := range sp.Needs {
				below[n] = out.Stages[n]
			}
			mu.Unlock()
			r, err := e.stage(ctx, p, sp, below, res)
			if err != nil {
				return err
			}
			mu.Lock()
			out.Stages[sp.ID] = r
			out.Ran += r.Ran
			mu.Unlock()
			close(done[sp.ID])
			return nil
		})
	}
	return out, g.Wait()
}

// state is what the steps of a stage hand on.
type state struct {
	Layer  string     `json:"layer"`
	Config oci.Config `json:"config"`
}

// stage brings one stage to its end: from the last step on record.
func (e *Engine) stage(ctx context.Context, p *plan.Plan, sp *plan.StagePlan, below map[string]StageResult, res *resolve.Resolved) (StageResult, error) {
	began := e.Now()
	run := &stageRun{Engine: e, plan: sp, below: below, resolved: res}
	defer run.close()
	if sp.Stage.Prestage != "" {
		parent := below[sp.Stage.Prestage]
		run.state = state{Layer: parent.Layer, Config: parent.Config}
	}
	first, err := run.recorded()
	if err != nil {
		return StageResult{}, fmt.Errorf("stage %s: %w", sp.ID, err)
	}
	if first < len(sp.Steps) {
		e.event(progress.Event{Kind: progress.StageStarted, Stage: sp.ID, Steps: len(sp.Steps)})
	}
	for i := range sp.Steps[:first] {
		e.event(progress.Event{Kind: progress.StepCached, Stage: sp.ID, Step: i + 1, Steps: len(sp.Steps), Key: sp.Steps[i].Key, Text: sp.Steps[i].Title()})
	}
	if first > 0 && sp.Stage.Prestage == "" {
		st, ok, err := e.lookup(sp.Steps[0].Key)
		if err == nil && ok {
			err = e.Images.Start(ctx, sp.ID, st.Layer, st.Config)
		}
		if err != nil {
			return StageResult{}, fmt.Errorf("stage %s: %w", sp.ID, err)
		}
	}
	ran := 0
	for i := first; i < len(sp.Steps); i++ {
		did, err := run.step(ctx, i)
		if err != nil {
			return StageResult{}, err
		}
		if did {
			ran++
		}
		if i == 0 {
			if err := e.Images.Start(ctx, sp.ID, run.state.Layer, run.state.Config); err != nil {
				return StageResult{}, fmt.Errorf("stage %s: %w", sp.ID, err)
			}
		}
	}
	image, err := e.Images.Done(ctx, sp.ID, run.state.Layer, run.state.Config)
	if err != nil {
		return StageResult{}, fmt.Errorf("stage %s: %w", sp.ID, err)
	}
	e.event(progress.Event{Kind: progress.StageDone, Stage: sp.ID, Seconds: e.Now().Sub(began).Seconds(), Done: int64(ran)})
	return StageResult{ID: sp.ID, Layer: run.state.Layer, Image: image, Ran: ran, Config: run.state.Config}, nil
}

func (e *Engine) event(ev progress.Event) {
	if e.Events == nil {
		return
	}
	ev.Time = e.Now()
	e.Events(ev)
}

// lookup returns what a step has left when its key is on record.
func (e *Engine) lookup(key string) (state, bool, error) {
	if e.NoCache && !e.made.has(key) {
		return state{}, false, nil
	}
	r, ok, err := e.Records.Lookup(key)
	if err != nil || !ok {
		return state{}, false, err
	}
	var s state
	if err := json.Unmarshal(r.Config, &s.Config); err != nil {
		return state{}, false, nil // of another version: run it again
	}
	s.Layer = r.Layer
	return s, true, nil
}

// MarkCached fills in which steps of a plan are on record.
func MarkCached(p *plan.Plan, records *layer.Records) error {
	for i := range p.Stages {
		for j := range p.Stages[i].Steps {
			step := &p.Stages[i].Steps[j]
			if step.Key == "" {
				continue
			}
			_, ok, err := records.Lookup(step.Key)
			if err != nil {
				return err
			}
			step.Cached = ok
		}
	}
	return nil
}
