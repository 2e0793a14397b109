// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// elsewhere is an engine.Executor whose steps run on other machines. It gives them a
// task as JSON and a registry, gets JSON back, and has no store.
type elsewhere struct {
	*registry
	machine func() string // returns the directory of a new machine
}

// stepDone and answer are what a machine sends: the first after each step, the second at
// the end.
type stepDone struct {
	Step  int          `json:"step"`
	State engine.State `json:"state"`
}

type answer struct {
	Outcome engine.Outcome  `json:"outcome"`
	Failed  *plan.StepError `json:"failed,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// Execute implements engine.Executor.
func (e *elsewhere) Execute(ctx context.Context, t engine.Task) (engine.Outcome, error) {
	if err := t.Check(); err != nil {
		return engine.Outcome{}, err
	}
	for _, in := range t.Job.Inputs() { // the bundle
		if err := e.push(in.Digest, in.Path); err != nil {
			return engine.Outcome{}, err
		}
	}
	task, err := json.Marshal(t)
	if err != nil {
		return engine.Outcome{}, err
	}
	var refused error // from Done
	said := machine{e.registry, e.machine()}.run(ctx, task, func(line []byte) error {
		var d stepDone
		if err := json.Unmarshal(line, &d); err != nil || t.Done == nil {
			return err
		}
		refused = t.Done(ctx, d.Step, d.State)
		return refused
	})
	var a answer
	if err := json.Unmarshal(said, &a); err != nil {
		return engine.Outcome{}, err
	}
	switch {
	case ctx.Err() != nil:
		return a.Outcome, ctx.Err()
	case refused != nil:
		return a.Outcome, refused
	case a.Failed != nil:
		return a.Outcome, a.Failed
	case a.Error != "":
		return a.Outcome, errors.New(a.Error)
	}
	return a.Outcome, nil
}

// machine has a directory of its own, and a registry.
type machine struct {
	*registry
	dir string
}

// run is the program on that machine. It sends a line for each step that is done, before
// the next begins; the result is the answer.
func (m machine) run(ctx context.Context, task []byte, line func([]byte) error) []byte {
	var a answer
	var err error
	if a.Outcome, err = m.execute(ctx, task, line); err != nil && !errors.As(err, &a.Failed) {
		a.Error = err.Error()
	}
	said, err := json.Marshal(a)
	if err != nil {
		return fmt.Appendf(nil, `{"error": %q}`, err)
	}
	return said
}

func (m machine) execute(ctx context.Context, task []byte, line func([]byte) error) (out engine.Outcome, err error) {
	var t engine.Task
	if err := json.Unmarshal(task, &t); err != nil {
		return out, err
	}
	if err := t.Check(); err != nil {
		return out, err
	}
	store, bundle := &FakeSnapshots{Dir: filepath.Join(m.dir, "store")}, filepath.Join(m.dir, "bundle")
	for _, s := range append([]engine.State{t.State}, states(t)...) {
		if _, err := m.fetch(ctx, store, s); err != nil {
			return out, err
		}
	}
	if t.Job, err = m.unpackBundle(ctx, t.Job, bundle); err != nil {
		return out, err
	}
	t.Done = func(_ context.Context, step int, s engine.State) error {
		said, err := json.Marshal(stepDone{step, s})
		if err != nil {
			return err
		}
		return line(said)
	}
	l := &engine.Local{
		Cache: registryCache{m.registry, store}, Snapshots: store, Chains: store, Sandbox: &FakeSandbox{Program: OnHost}, Holder: "a machine",
		CacheDir: m.dir, Scratch: m.dir, Now: time.Now, LogPath: func(stage string) string { return filepath.Join(m.dir, "logs", stage+".log") },
	}
	return l.Execute(ctx, t)
}

func states(t engine.Task) (all []engine.State) {
	for _, s := range t.Dependencies {
		all = append(all, s)
	}
	return all
}

// unpackBundle unpacks the job's inputs and checks their digests.
func (m machine) unpackBundle(ctx context.Context, j *plan.Job, dir string) (*plan.Job, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for _, in := range j.Inputs() {
		data, err := m.get(in.Digest)
		if err != nil {
			return nil, err
		}
		to := filepath.Join(dir, in.Digest)
		if err := unpack(data, to); err != nil {
			return nil, err
		}
		if got, err := files.Digest(ctx, to); err != nil || got != in.Digest {
			return nil, fmt.Errorf("%s has the digest %s, not %s: %v", in.What, got, in.Digest, err)
		}
	}
	return j.Bundled(dir), nil
}

// An executor on other machines fits in one file: it passes the suite while exchanging
// nothing but JSON and blobs with them.
func TestElsewhere(t *testing.T) {
	TestExecutor(t, func(t *testing.T) Bench {
		reg, seen := newRegistry(), &FakeSnapshots{Dir: t.TempDir()}
		root := rootOf(t, seen, "base")
		if err := reg.push(root.Layers[0].String(), seen.LayerDir(root.Layer)); err != nil {
			t.Fatal(err)
		}
		root.Layer = ""
		return Bench{
			Executor: &elsewhere{reg, t.TempDir}, Cache: registryCache{reg, nil}, Snapshots: seen, Base: root,
			Fetch: func(ctx context.Context, s engine.State) (string, error) { return reg.fetch(ctx, seen, s) },
		}
	})
}
