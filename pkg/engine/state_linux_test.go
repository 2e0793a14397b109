// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
)

var errBroken = errors.New("broken")

// digest is a digest with a given prefix.
func digest(hex string) oci.Digest {
	return oci.Digest{Algorithm: "sha256", Hex: hex + strings.Repeat("0", 64-len(hex))}
}

// In JSON a state names its root by digests, not by this machine's name for it.
func TestStateBothWays(t *testing.T) {
	s := engine.State{Layers: []oci.Digest{digest("1"), digest("2")}, Config: oci.NewConfig("amd64"), Layer: "here"}
	s.Config.SetEnv("A", "b=<c>")
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "here") || !strings.HasPrefix(text, `{"layers":["sha256:1000`) {
		t.Errorf("state %s", text)
	}
	var got engine.State
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if _, err := got.Here(); !errors.Is(err, engine.ErrElsewhere) {
		t.Errorf("its layers are here: %v", err)
	}
	got.Layer = "here"
	if diff := cmp.Diff(got, s); diff != "" {
		t.Errorf("decoded again (-got +want):\n%s", diff)
	}
	for want, s := range map[string]engine.State{"here": s, "": {}, "x": {Layer: "x"}} {
		if layer, err := s.Here(); layer != want || err != nil {
			t.Errorf("%+v is at %q, %v", s, layer, err)
		}
	}
}

// noChains are Chains that always fail.
type noChains struct{}

func (noChains) Chain(context.Context, string) ([]oci.Digest, error) { return nil, errBroken }

func (noChains) Find(context.Context, []oci.Digest) (string, bool, error) {
	return "", false, errBroken
}

// A task from elsewhere begins with layers that this machine has under its own name, or
// not at all.
func TestTaskFromElsewhere(t *testing.T) {
	b := newBench(t)
	s := b.base("f=1")
	chain, err := b.snaps.Chain(t.Context(), s.Layer)
	if err != nil {
		t.Fatal(err)
	}
	j := &plan.Job{ID: "s", Needs: []string{"from"}, Steps: []plan.Step{
		b.step("COPY", &plan.Copy{Stage: "from", Dest: "/g", Sources: []plan.Source{{Name: "/f"}}}), b.step("USER", &plan.User{Name: "u"}),
	}}
	there := engine.State{Layers: chain}
	out, err := b.Execute(t.Context(), engine.Task{Job: j, State: there, Dependencies: map[string]engine.State{"from": there}})
	if err != nil || out.Ran != 2 {
		t.Fatalf("%d steps ran, %v", out.Ran, err)
	}
	b.shows(out.State, "f=1", "g=1")
	if want, err := b.snaps.Chain(t.Context(), out.State.Layer); err != nil || !cmp.Equal(out.State.Layers, want) {
		t.Errorf("its layers are %v, want %v, %v", out.State.Layers, want, err)
	}
	gone := engine.State{Layers: []oci.Digest{digest("9")}}
	for name, task := range map[string]engine.Task{
		"the parent is gone": {Job: j, State: gone, Dependencies: map[string]engine.State{"from": there}},
		"a stage is gone":    {Job: j, State: there, Dependencies: map[string]engine.State{"from": gone}},
	} {
		if _, err := b.Execute(t.Context(), task); !errors.Is(err, engine.ErrElsewhere) || !strings.Contains(err.Error(), "stage s: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.Chains = nil
	if _, err := b.Execute(t.Context(), engine.Task{Job: &plan.Job{ID: "s"}, State: there}); !errors.Is(err, engine.ErrElsewhere) {
		t.Errorf("nobody knows of digests: %v", err)
	}
	add := func() plan.Job {
		return plan.Job{ID: "s", Steps: []plan.Step{b.step("WORKDIR", &plan.Workdir{Dir: "/new"})}}
	}
	if got, err := b.job(s, add()); err != nil || got.Layers != nil {
		t.Errorf("nobody knows of digests: %v, %v", got.Layers, err)
	}
	b.Chains = noChains{}
	if _, err := b.Execute(t.Context(), engine.Task{Job: &plan.Job{ID: "s"}, State: there}); !errors.Is(err, errBroken) {
		t.Errorf("digests cannot be looked up: %v", err)
	}
	if _, err := b.job(s, add()); !errors.Is(err, errBroken) {
		t.Errorf("the digests of a new layer cannot be told: %v", err)
	}
}

func TestTaskCheck(t *testing.T) {
	j := &plan.Job{ID: "s", Needs: []string{"a"}, Steps: make([]plan.Step, 2)}
	have := map[string]engine.State{"a": {}}
	for want, task := range map[string]engine.Task{
		"":                              {Job: j, First: 2, Dependencies: have},
		"the plan has no job":           {},
		"stage s: step 0 of 2 is to be": {Job: j, First: -1, Dependencies: have},
		"stage s: step 4 of 2 is to be": {Job: j, First: 3, Dependencies: have},
		"stage s: the result of a, wh":  {Job: j},
	} {
		if err := task.Check(); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// namer records what gets names.
type namer struct{ notes }

func (n *namer) Done(_ context.Context, stage, layer string, c oci.Config) (string, error) {
	n.add("done %s %s %s", stage, layer, c.Author)
	return "id", nil
}

func (n *namer) Start(_ context.Context, stage, layer string, c oci.Config) error {
	n.add("start %s %s %s", stage, layer, c.Author)
	return nil
}

func (n *namer) Failed(_ context.Context, stage, layer string, c oci.Config) (string, error) {
	n.add("failed %s %s %s", stage, layer, c.Author)
	return "name", nil
}

var _ engine.Namer = history.Keeper{}

// Images of the store need layers that the store has: layers elsewhere are not mistaken
// for an empty root.
func TestStoredImages(t *testing.T) {
	n := &namer{}
	i := engine.StoredImages{Names: n}
	s := engine.State{Layer: "l"}
	s.Config.Author = "a"
	all := func(s engine.State) (id, name string, errs []error) {
		id, err := i.Done(t.Context(), "x", s)
		name, failed := i.Failed(t.Context(), "z", s)
		return id, name, []error{err, i.Start(t.Context(), "y", s), failed}
	}
	if id, name, errs := all(s); id != "id" || name != "name" || errors.Join(errs...) != nil {
		t.Errorf("got %q, %q, %v", id, name, errs)
	}
	n.want(t, "done x l a", "failed z l a", "start y l a")
	s.Layer, s.Layers = "", []oci.Digest{digest("1")}
	if _, _, errs := all(s); !errors.Is(errs[0], engine.ErrElsewhere) || !errors.Is(errs[1], engine.ErrElsewhere) || !errors.Is(errs[2], engine.ErrElsewhere) {
		t.Errorf("layers that are elsewhere: %v", errs)
	}
	n.want(t, "done x l a", "failed z l a", "start y l a")
}

// Records refuse a key that leads out of their directory.
func TestRecordsThatCannotBeRead(t *testing.T) {
	c, root := recordsOf(t)
	if err := c.Put(t.Context(), "../x", root); err == nil {
		t.Error("a key that leads elsewhere is taken")
	}
	if ok, err := c.Has(t.Context(), "../x"); ok || err == nil {
		t.Errorf("a key that leads elsewhere: %v, %v", ok, err)
	}
	if _, err := os.Stat(filepath.Join("..", "x")); err == nil {
		t.Error("it was written")
	}
}

// A stage whose log cannot be written is built with the right result, and that the log
// is incomplete is noted.
func TestStageWithoutALog(t *testing.T) {
	b := newBench(t)
	b.LogPath = func(string) string { return "/dev/full" }
	must(t)(b.execute(b.base(), b.step("USER", &plan.User{Name: "a"}), b.step("USER", &plan.User{Name: "b"})))
	b.events.want(t, "step-started USER text", "note the log of the stage is incomplete: write /dev/full: no space left on device", "step-done USER text",
		"step-started USER text", "step-done USER text")
	b.LogPath = func(string) string { return "/dev/null/log" }
	if _, err := b.execute(b.base(), b.step("USER", &plan.User{Name: "a"})); err == nil || !strings.Contains(err.Error(), "step log: ") {
		t.Errorf("a log that cannot be begun: %v", err)
	}
}
