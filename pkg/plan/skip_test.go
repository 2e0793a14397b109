// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"slices"
	"strings"
	"testing"
)

// skipPlan has a stage, one based on it, one that copies from that, and one beside them.
func skipPlan() *Plan {
	key := func(c string) string { return strings.Repeat(c, 64) }
	run := func(c string) Step { return Step{Kind: "RUN", Key: key(c), Cached: true, Action: &Run{}} }
	return &Plan{Version: Version, Targets: []string{"copies"}, Stages: []Job{
		{ID: "a", Steps: []Step{run("1"), run("2"), run("3")}, Key: key("3")},
		{ID: "empty", Parent: "a", Needs: []string{"a"}, Steps: []Step{}, Key: key("3")},
		{ID: "on", Parent: "empty", Needs: []string{"empty"}, Steps: []Step{run("4")}, Key: key("4")},
		{ID: "beside", Steps: []Step{run("5")}, Key: key("5")},
		{ID: "copies", Parent: "beside", Needs: []string{"beside", "on"}, Steps: []Step{run("6"), {Kind: "COPY", Key: key("7"), Action: &Copy{Stage: "on"}}, run("8")}, Key: key("8")},
	}}
}

func keysOf(p *Plan) map[string]bool {
	all := map[string]bool{}
	for _, j := range p.Stages {
		for _, s := range j.Steps {
			all[s.Key] = true
		}
	}
	return all
}

func TestSkip(t *testing.T) {
	honest := keysOf(skipPlan())
	p := skipPlan()
	changed, err := p.Skip("a", 2, "x")
	if err != nil || !slices.Equal(changed, []string{"a", "empty", "on", "copies"}) {
		t.Fatalf("%v, %v", changed, err)
	}
	want := map[string][]bool{"a": {true, false, false}, "empty": {}, "on": {false}, "beside": {true}, "copies": {true, false, false}} // which keys stay
	for _, j := range p.Stages {
		for i, s := range j.Steps {
			if honest[s.Key] != want[j.ID][i] || s.Cached {
				t.Errorf("stage %s, step %d: key %.8s, cached %v", j.ID, i+1, s.Key, s.Cached)
			}
		}
		if n := len(j.Steps); n > 0 && j.Key != j.Steps[n-1].Key {
			t.Errorf("stage %s has the key %.8s", j.ID, j.Key)
		}
	}
	if got := p.Job("empty").Key; got != p.Job("a").Key {
		t.Errorf("the empty stage has the key %.8s", got)
	}
	if err := p.Check(); err != nil {
		t.Error(err)
	}
	// The same again is the same; another state, another step give others.
	same, other, later := skipPlan(), skipPlan(), skipPlan()
	for plan, of := range map[*Plan]struct {
		step  int
		state string
	}{same: {2, "x"}, other: {2, "y"}, later: {3, "x"}} {
		if _, err := plan.Skip("a", of.step, of.state); err != nil {
			t.Fatal(err)
		}
	}
	if same.Job("copies").Key != p.Job("copies").Key || other.Job("copies").Key == p.Job("copies").Key || later.Job("a").Steps[1].Key != strings.Repeat("2", 64) {
		t.Error("keys do not follow from what is skipped")
	}
	for _, bad := range []struct {
		stage string
		step  int
		state string
	}{{"a", 0, "x"}, {"a", 4, "x"}, {"z", 1, "x"}, {"a", 1, ""}} {
		if _, err := skipPlan().Skip(bad.stage, bad.step, bad.state); err == nil {
			t.Errorf("%+v is let through", bad)
		}
	}
}

func TestBefore(t *testing.T) {
	p := skipPlan()
	for _, tt := range []struct {
		stage string
		step  int
		want  string
	}{{"a", 1, ""}, {"a", 2, "1"}, {"on", 1, "3"}, {"copies", 1, "5"}, {"copies", 3, "7"}, {"z", 1, ""}, {"a", 9, ""}} {
		if got := p.Before(tt.stage, tt.step); got != strings.Repeat(tt.want, 64) {
			t.Errorf("%s, step %d: %.8s", tt.stage, tt.step, got)
		}
	}
}
