// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
)

// pickedBy is a Picker over builds that are written "ID: STAGE STAGE", the
// newest first; an id with an @ behind it has an owner.
func pickedBy(failed bool, info map[string]BuildInfo, builds ...string) Picker {
	p := Picker{Owner: "me", Failed: failed, Info: func(id string) BuildInfo { return info[id] }}
	for _, b := range builds {
		id, stages, _ := strings.Cut(b, ": ")
		id, owner, _ := strings.Cut(id, "@")
		for _, s := range slices.Sorted(slices.Values(strings.Fields(stages))) {
			p.Stages = append(p.Stages, StoredStage{BuildID: id, Stage: s, Status: statusOf(s), Owner: owner})
		}
	}
	return p
}

func TestPickedStage(t *testing.T) {
	appliance := BuildInfo{DiskStages: []string{"caros"}, Leaves: []string{"boot-tools", "caros"}}
	info := map[string]BuildInfo{
		"appliance": appliance, "broken": appliance,
		"leaf":   {Leaves: []string{"web"}},
		"leaves": {Leaves: []string{"api", "web"}},
		"cards":  {DiskStages: []string{"a", "b"}, Leaves: []string{"ab"}},
		"both":   {DiskStages: []string{"a", "b"}, Leaves: []string{"a", "b"}},
	}
	for _, c := range []struct {
		name   string
		builds []string
		failed bool
		pick   string
		want   string // with a ! a part of the error
	}{
		{"the disk's stage, not the last by name", []string{"appliance: base caros caros-start vmware.bios"}, false, "appliance", "appliance:caros"},
		{"the only leaf", []string{"leaf: base web zz"}, false, "leaf", "leaf:web"},
		{"disks of several stages, one leaf", []string{"cards: a ab b"}, false, "cards", "cards:ab"},
		{"disks of several stages", []string{"both: a b"}, false, "both", "!several stages that could be meant: name one of its stages: both:a, both:b"},
		{"several leaves", []string{"leaves: api base web"}, false, "leaves", "!leaves:api, leaves:base, leaves:web"},
		{"nothing is known, one stage", []string{"old: web web-start"}, false, "old", "old:web"},
		{"nothing is known, several", []string{"old: api web"}, false, "old", "!old:api, old:web"},
		{"a build that failed", []string{"broken: base caros-failure"}, false, "broken", "!build broken has no finished stage caros: name one of its stages: broken:base"},
		{"the half-done stage", []string{"broken: base caros-failure"}, true, "broken", "broken:caros-failure"},
		{"a stage by name", []string{"appliance: base caros vmware.bios"}, false, "appliance:vmware.bios", "appliance:vmware.bios"},
		{"a stage that is not there", []string{"appliance: base caros"}, false, "appliance:carso", `!did you mean "caros"?`},
		{"latest", []string{"leaf: web", "appliance: caros"}, false, "latest", "leaf:web"},
		{"latest is not another user's", []string{"appliance@you: caros", "leaf@me: web"}, false, "latest", "leaf:web"},
		{"latest with a stage", []string{"leaf: web", "appliance: caros"}, false, "latest:caros", "appliance:caros"},
		{"a stage alone", []string{"leaf: web", "appliance: caros", "older: caros"}, false, "caros", "appliance:caros"},
		{"a build's name comes first", []string{"leaf: web", "web: one"}, false, "web", "web:one"},
		{"no such name", []string{"appliance: caros"}, false, "carso", "!no stage carso is stored (did you mean \"caros\"?)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pickedBy(c.failed, info, c.builds...).Pick(c.pick)
			want, fails := strings.CutPrefix(c.want, "!")
			switch {
			case fails != (err != nil) || fails && !strings.Contains(err.Error(), want):
				t.Errorf("got %s and error %v, want %s", got.Name(), err, c.want)
			case !fails && got.Name() != want:
				t.Errorf("got %s, want %s", got.Name(), want)
			}
			many, none := (*ManyStagesError)(nil), (*NoStageError)(nil)
			if err != nil && !errors.As(err, &many) && !errors.As(err, &none) {
				t.Errorf("error of type %T", err)
			}
		})
	}
}

func TestNotedStages(t *testing.T) {
	d := &decl.Declaration{
		Stages: []*decl.Stage{{ID: "base", Actions: []decl.Action{&decl.From{Argument: decl.Argument{Text: "scratch"}, Image: "scratch"}}}, {ID: "tools", Prestage: "base"}, {ID: "caros", Prestage: "base"}},
		Disks: []*decl.Disk{{ID: "vmware", Stage: "caros", BIOS: &decl.BIOS{Stage: "tools"}, Partitions: []*decl.Partition{
			{Label: "BOOT", Items: decl.Items{&decl.LoaderItem{}}},
		}}},
	}
	in := plan.Facts{Images: map[string]string{"scratch": "scratch"}}
	targets, d, err := plan.DiskStages(d, d.Disks[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.NewPlan(d, targets, in)
	if err != nil {
		t.Fatal(err)
	}
	var i BuildInfo
	i.Note(d, d.Disks, p)
	if got, want := strings.Join(i.DiskStages, " ")+", "+strings.Join(i.Leaves, " "), "caros, caros tools"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	d.Stages = append(d.Stages, &decl.Stage{ID: "on-top", Prestage: "caros"})
	if p, err = plan.NewPlan(d, plan.DefaultTargets(d)[1:2], in); err != nil {
		t.Fatal(err)
	}
	i.Note(d, nil, p)
	if got, want := i.Main(), "on-top"; got != want {
		t.Errorf("of a build of a stage based on the disk's: got %q, want %q", got, want)
	}
	if p, err = plan.NewPlan(d, []string{"tools"}, in); err != nil {
		t.Fatal(err)
	}
	i.Note(d, nil, p)
	if got, want := i.Main(), "tools"; got != want {
		t.Errorf("of a build of another stage: got %q, want %q", got, want)
	}
}
