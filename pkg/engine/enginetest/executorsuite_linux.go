// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// Bench is an executor for TestExecutor, and what it works with.
type Bench struct {
	engine.Executor
	Cache     engine.Cache
	Snapshots engine.Snapshotter // of the machine that runs the test
	Base      engine.State       // where RUN runs shell scripts, from /; with the digests of its layers

	// Fetch brings the layers of a state into Snapshots, and returns the topmost; nil if
	// they are there already.
	Fetch func(ctx context.Context, s engine.State) (layer string, err error)
	// Exclusive says that a step of several concurrent jobs is executed once.
	Exclusive bool
}

// TestExecutor fails unless the executors that open returns do what
// engine.Executor promises.
func TestExecutor(t *testing.T, open func(t *testing.T) Bench) {
	for name, test := range map[string]func(t *testing.T, b Bench){
		"steps in order":         execInOrder,
		"from the first undone":  execFromFirst,
		"nothing to do":          execNothing,
		"done meanwhile":         execDoneMeanwhile,
		"a command fails":        execFails,
		"done fails":             execDoneFails,
		"killed with context":    execKilled,
		"a task in JSON":         execDecoded,
		"files of the machine":   execFiles,
		"files of a stage":       execCopies,
		"a task out of bounds":   execBounds,
		"a kind that is unknown": execUnknown,
		"the same step twice":    execSameStep,
		"several jobs":           execSeveral,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// job is a stage of scripts. The key of a step depends on its script and those before it.
func job(id string, scripts ...string) *plan.Job {
	j := &plan.Job{ID: id, Network: "none"}
	for i, s := range scripts {
		j.Steps = append(j.Steps, plan.Step{
			Kind: "RUN", Text: s, Key: key.Step(id, fmt.Sprint(i)), Layer: true, Action: &plan.Run{Args: []string{"/bin/sh", "-c", s}},
		})
	}
	return j
}

// shows lists what a state's layer has below the directory "out".
func (b Bench) shows(t *testing.T, s engine.State) string {
	t.Helper()
	layer := s.Layer
	if b.Fetch != nil {
		var err error
		if layer, err = b.Fetch(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	v, err := b.Snapshots.View(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Release() }()
	return strings.Join(dirtest.Listed(t, v.Root+"/out"), " ")
}

func (b Bench) task(j *plan.Job) engine.Task { return engine.Task{Job: j, State: b.Base} }

func execInOrder(t *testing.T, b Bench) {
	j := job("s", "mkdir out; printf 1 > out/f", "printf 2 >> out/f", "true", "printf 3 >> out/f")
	task := b.task(j)
	var done []string
	task.Done = func(_ context.Context, step int, s engine.State) error {
		equalStates(t, lookedUp(t, b.Cache, j.Steps[step].Key), s)
		done = append(done, fmt.Sprint(step, " ", b.shows(t, s)))
		return nil
	}
	out, err := b.Execute(t.Context(), task)
	if err != nil || out.Ran != 4 {
		t.Fatalf("%d steps ran, %v", out.Ran, err)
	}
	if diff := cmp.Diff(done, []string{"0 f=1", "1 f=12", "2 f=12", "3 f=123"}); diff != "" {
		t.Errorf("done (-got +want):\n%s", diff)
	}
	equalStates(t, lookedUp(t, b.Cache, j.Steps[3].Key), out.State)
	if n := len(out.State.Config.History) - len(b.Base.Config.History); n != 4 {
		t.Errorf("%d lines of history for 4 steps", n)
	}
}

func execFromFirst(t *testing.T, b Bench) {
	j := job("s", "mkdir out; printf 1 > out/f", "printf 2 >> out/f")
	first, err := b.Execute(t.Context(), b.task(job("s", "mkdir out; printf x > out/f")))
	if err != nil {
		t.Fatal(err)
	}
	var done []int
	out, err := b.Execute(t.Context(), engine.Task{Job: j, First: 1, State: first.State, Done: func(_ context.Context, step int, _ engine.State) error {
		done = append(done, step)
		return nil
	}})
	if err != nil || out.Ran != 1 || b.shows(t, out.State) != "f=x2" || len(done) != 1 || done[0] != 1 {
		t.Errorf("%v: %d steps ran, %s, done %v", err, out.Ran, b.shows(t, out.State), done)
	}
}

func execNothing(t *testing.T, b Bench) {
	j := job("s", "false")
	out, err := b.Execute(t.Context(), engine.Task{Job: j, First: 1, State: b.Base})
	if err != nil || out.Ran != 0 {
		t.Errorf("%d steps ran, %v", out.Ran, err)
	}
	equalStates(t, out.State, b.Base)
}

// execDoneMeanwhile: a result that another process has put into the cache is used.
func execDoneMeanwhile(t *testing.T, b Bench) {
	other, err := b.Execute(t.Context(), b.task(job("other", "mkdir out; printf other > out/f")))
	if err != nil {
		t.Fatal(err)
	}
	j := job("s", "false", "printf 2 >> out/f")
	put(t, b.Cache, j.Steps[0].Key, other.State)
	task, done := b.task(j), 0
	task.Done = func(context.Context, int, engine.State) error { done++; return nil }
	out, err := b.Execute(t.Context(), task)
	if err != nil || out.Ran != 1 || done != 2 {
		t.Fatalf("%d steps ran, %d are done, %v", out.Ran, done, err)
	}
	if got := b.shows(t, out.State); got != "f=other2" {
		t.Errorf("got %q", got)
	}
}

func execFails(t *testing.T, b Bench) {
	j := job("s", "mkdir out; printf 1 > out/f", "printf 2 > out/f; echo why; exit 7", "printf 3 > out/f")
	task := b.task(j)
	var last engine.State
	task.Done = func(_ context.Context, _ int, s engine.State) error { last = s; return nil }
	out, err := b.Execute(t.Context(), task)
	var se *plan.StepError
	if !errors.As(err, &se) || se.Stage != "s" || se.Status != 7 || se.Kind != "RUN" || se.Text != j.Steps[1].Text || !strings.Contains(strings.Join(se.Tail, "\n"), "why") {
		t.Fatalf("error %#v", err)
	}
	if out.Ran != 1 {
		t.Errorf("%d steps ran", out.Ran)
	}
	if got := b.shows(t, last); got != "f=1" {
		t.Errorf("the last that is done has %q", got)
	}
	for _, s := range j.Steps[1:] {
		if _, ok, err := b.Cache.Lookup(t.Context(), s.Key); ok || err != nil {
			t.Errorf("the cache has %s: %v, %v", s.Key, ok, err)
		}
	}
	j.Steps[1] = job("s", "", "printf 2 >> out/f").Steps[1]
	if out, err = b.Execute(t.Context(), b.task(j)); err != nil || out.Ran != 2 || b.shows(t, out.State) != "f=3" {
		t.Errorf("once more: %d steps ran, %v", out.Ran, err)
	}
}

func execDoneFails(t *testing.T, b Bench) {
	broken := errors.New("broken")
	j := job("s", "true", "true")
	task := b.task(j)
	task.Done = func(context.Context, int, engine.State) error { return broken }
	out, err := b.Execute(t.Context(), task)
	if !errors.Is(err, broken) || out.Ran > 1 {
		t.Errorf("%d steps ran, %v", out.Ran, err)
	}
	if _, ok, _ := b.Cache.Lookup(t.Context(), j.Steps[1].Key); ok {
		t.Error("the next step ran")
	}
}

func execKilled(t *testing.T, b Bench) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	task := b.task(job("s", "true", "sleep 60"))
	task.Done = func(context.Context, int, engine.State) error {
		time.AfterFunc(100*time.Millisecond, cancel)
		return nil
	}
	start := time.Now()
	_, err := b.Execute(ctx, task)
	var se *plan.StepError
	if !errors.Is(err, context.Canceled) || errors.As(err, &se) || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if out, err := b.Execute(ctx, b.task(job("t", "true"))); !errors.Is(err, context.Canceled) || out.Ran > 0 {
		t.Errorf("after its end: %d steps ran, %v", out.Ran, err)
	}
}

func execUnknown(t *testing.T, b Bench) {
	j := job("s", "true")
	j.Steps[0].Action, j.Steps[0].Kind = nil, "NONE"
	_, err := b.Execute(t.Context(), b.task(j))
	if err == nil || !strings.Contains(err.Error(), "NONE") {
		t.Errorf("error %v", err)
	}
	if ok, err := b.Cache.Has(t.Context(), j.Steps[0].Key); ok || err != nil {
		t.Errorf("the cache has it: %v, %v", ok, err)
	}
}

// random is a script with a different result each time.
const random = "mkdir out; cat /proc/sys/kernel/random/uuid > out/f; sleep 0.1"

// execSameStep: stages with the same steps have one result if the executor is exclusive;
// otherwise the cache has the result of one of them.
func execSameStep(t *testing.T, b Bench) {
	var wg sync.WaitGroup
	var outs [3]engine.Outcome
	for i := range outs {
		wg.Go(func() {
			j := job("same", random)
			j.ID = fmt.Sprint("s", i)
			var err error
			if outs[i], err = b.Execute(t.Context(), b.task(j)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := outs[0].Ran + outs[1].Ran + outs[2].Ran; n < 1 || n > 1 && b.Exclusive {
		t.Errorf("the step ran %d times", n)
	}
	s := lookedUp(t, b.Cache, key.Step("same", "0"))
	if !slices.ContainsFunc(outs[:], func(o engine.Outcome) bool { return slices.Equal(o.State.Layers, s.Layers) }) {
		t.Errorf("the cache has %v, which no job came to", s.Layers)
	}
	for _, o := range outs[1:] {
		if b.Exclusive {
			equalStates(t, o.State, outs[0].State)
		}
	}
}

// execDecoded: a task means the same after encoding to JSON and back.
func execDecoded(t *testing.T, b Bench) {
	first, err := b.Execute(t.Context(), b.task(job("s", "mkdir out; printf 1 > out/f")))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(engine.Task{BuildID: "b1", Job: job("s", "true", "printf 2 >> out/f"), First: 1, State: first.State})
	if err != nil {
		t.Fatal(err)
	}
	var task engine.Task
	if err := json.Unmarshal(data, &task); err != nil {
		t.Fatal(err)
	}
	if task.BuildID != "b1" || task.First != 1 || task.State.Layer != "" || len(task.State.Layers) == 0 {
		t.Errorf("the task is %+v, in\n%s", task, data)
	}
	out, err := b.Execute(t.Context(), task)
	if err != nil || out.Ran != 1 || b.shows(t, out.State) != "f=12" {
		t.Errorf("%d steps ran, %v", out.Ran, err)
	}
	elsewhere := first.State
	elsewhere.Layer, elsewhere.Layers = "", []oci.Digest{{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}}
	j := job("nowhere", "true")
	if _, err := b.Execute(t.Context(), engine.Task{Job: j, State: elsewhere}); err == nil {
		t.Error("a step ran on layers that do not exist")
	}
}

// execFiles: files that a job reads from the machine that planned it get into the stage,
// wherever the stage is built.
func execFiles(t *testing.T, b Bench) {
	dir := t.TempDir()
	one := filepath.Join(dir, "one")
	for name, mode := range map[string]os.FileMode{"one": 0o644, "dir/two": 0o755} {
		to := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(name), mode)); err != nil {
			t.Fatal(err)
		}
	}
	j := job("s", "", "printf +`test -x out/two && cat out/two` >> out/one")
	add := &plan.Copy{Dest: "/out/", Sources: []plan.Source{{Name: "none"}}}
	for _, name := range []string{"one", "dir"} {
		digest, err := files.Digest(t.Context(), filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		add.Sources = append(add.Sources, plan.Source{Name: name, Path: filepath.Join(dir, name), Digest: digest})
	}
	j.Steps[0].Kind, j.Steps[0].Action = "ADD", add
	out, err := b.Execute(t.Context(), b.task(j))
	if err != nil || out.Ran != 2 {
		t.Fatalf("%d steps ran, %v", out.Ran, err)
	}
	if got := b.shows(t, out.State); got != "one=one+dir/two two=dir/two" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(one, []byte("changed"), 0o644); err != nil { // since it was planned
		t.Fatal(err)
	}
	j.Steps = j.Steps[:1]
	j.Steps[0].Key = key.Step("changed")
	if out, err = b.Execute(t.Context(), b.task(j)); err == nil && b.shows(t, out.State) != "one=one two=dir/two" { // it may have a copy
		t.Errorf("a file that has changed is added: %s", b.shows(t, out.State))
	}
}

// execCopies: a job gets files from a stage that it needs.
func execCopies(t *testing.T, b Bench) {
	from, err := b.Execute(t.Context(), b.task(job("from", "mkdir out; printf 1 > out/f")))
	if err != nil {
		t.Fatal(err)
	}
	j := job("s", "")
	j.Needs = []string{"from"}
	j.Steps[0].Kind, j.Steps[0].Action = "COPY", &plan.Copy{Stage: "from", Dest: "/out/g", Sources: []plan.Source{{Name: "/out/f"}}}
	task := b.task(j)
	task.Dependencies = map[string]engine.State{"from": from.State}
	out, err := b.Execute(t.Context(), task)
	if err != nil || out.Ran != 1 || b.shows(t, out.State) != "g=1" {
		t.Errorf("%d steps ran, %v", out.Ran, err)
	}
}

// execBounds: an impossible task is refused.
func execBounds(t *testing.T, b Bench) {
	needs := job("s", "true")
	needs.Needs = []string{"missing"}
	for name, task := range map[string]engine.Task{
		"no job": {}, "a first step before the first": {Job: job("s", "true"), First: -1}, "a first step after the last": {Job: job("s", "true"), First: 2},
		"a stage that is missing": {Job: needs},
	} {
		task.State = b.Base
		if out, err := b.Execute(t.Context(), task); err == nil {
			t.Errorf("%s: %d steps ran", name, out.Ran)
		}
	}
}

func execSeveral(t *testing.T, b Bench) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			out, err := b.Execute(t.Context(), b.task(job(fmt.Sprint("s", i), fmt.Sprintf("mkdir out; printf %d > out/f", i), "printf x >> out/f")))
			if err != nil || out.Ran != 2 {
				t.Errorf("%d steps ran, %v", out.Ran, err)
			} else if got, want := b.shows(t, out.State), fmt.Sprintf("f=%dx", i); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	wg.Wait()
}
