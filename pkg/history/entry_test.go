// SPDX-License-Identifier: MPL-2.0

package history

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// shop is a store with five builds: three of the caller's, of which one went on after a
// step that had failed, one of another user and one that nobody has noted.
func shop(t *testing.T) ([]layer.Image, Builds) {
	t.Helper()
	b := Builds{Dir: t.TempDir()}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for id, info := range map[string]BuildInfo{
		"old": {Owner: "me", Started: day(1)}, "new": {Owner: "me", Started: day(2)}, "bobs": {Owner: "bob", Started: day(3)},
		"skip": {Owner: "me", Started: day(4), Skipped: []string{"middle", "top"}},
	} {
		if err := b.Write(id, info); err != nil {
			t.Fatal(err)
		}
	}
	return []layer.Image{
		{ID: "aa00" + strings.Repeat("0", 60), Names: []string{"docker.io/library/debian:12"}},
		{ID: "ab11" + strings.Repeat("0", 60), Names: []string{ImageName("old", "base"), ImageName("old", "middle-start")}},
		{ID: "ab22" + strings.Repeat("0", 60), Names: []string{ImageName("old", "middle"), "localhost/mine:1"}},
		{ID: "cc33" + strings.Repeat("0", 60), Names: []string{ImageName("new", "base"), ImageName("new", "top-failure")}},
		{ID: "dd44" + strings.Repeat("0", 60), Names: []string{ImageName("bobs", "middle")}},
		{ID: "ff66" + strings.Repeat("0", 60), Names: []string{ImageName("skip", "middle"), ImageName("skip", "middle-start")}},
		{ID: "ee55" + strings.Repeat("0", 60), Names: []string{ImageName("unnoted", "tool")}, Created: day(1).Add(-time.Hour)},
	}, b
}

const chainText = `
	<buildstage id="base"><bootstrap suite="bookworm"/><action>RUN base</action></buildstage>
	<buildstage id="middle"><prestage>base</prestage><cache path="/c"/><action>RUN middle</action></buildstage>
	<buildstage id="tool"><action>FROM debian:12</action><action>RUN tool</action></buildstage>
	<buildstage id="top"><prestage>middle</prestage><action>COPY --from=tool /x /x</action></buildstage>
	<buildstage id="beside"><prestage>base</prestage><action>RUN beside</action></buildstage>`

func TestEntry(t *testing.T) {
	images, builds := shop(t)
	for _, tt := range []struct {
		name    string
		entry   Entry
		target  string
		foreign bool
		want    string // the stages that are planned, with what they start from and how many steps
		err     string
	}{
		{name: "nothing", target: "top", want: "base=bookworm+1 middle<base+1 tool=debian:12+1 top<middle+1"},
		{name: "the nearest stage of a build", entry: Entry{Match: "old"}, target: "top", want: "middle=old:middle+0 tool=debian:12+1 top<middle+1"},
		{name: "the target is built again", entry: Entry{Match: "old"}, target: "middle", want: "base=old:base+0 middle<base+1"},
		{name: "what a build lacks is built", entry: Entry{Match: "new"}, target: "top", want: "base=new:base+0 middle<base+1 tool=debian:12+1 top<middle+1"},
		{name: "capital letters", entry: Entry{Match: "New"}, target: "beside", want: "base=new:base+0 beside<base+1"},
		{name: "a pattern: the newest build that has the stage", entry: Entry{Match: "*"}, target: "top", want: "middle=old:middle+0 tool=unnoted:tool+0 top<middle+1"},
		{name: "a pattern: the newest of two", entry: Entry{Match: "[no]*"}, target: "beside", want: "base=new:base+0 beside<base+1"},
		{name: "not of others", entry: Entry{Match: "bobs"}, target: "top", want: "base=bookworm+1 middle<base+1 tool=debian:12+1 top<middle+1"},
		{name: "of others when asked", entry: Entry{Match: "bobs"}, foreign: true, target: "top", want: "middle=bobs:middle+0 tool=debian:12+1 top<middle+1"},
		{name: "after a step that failed, by its name", entry: Entry{Match: "SKIP"}, target: "top", want: "middle=skip:middle+0 tool=debian:12+1 top<middle+1"},
		{name: "after a step that failed, not by a pattern", entry: Entry{Match: "ski*"}, target: "top", want: "base=bookworm+1 middle<base+1 tool=debian:12+1 top<middle+1"},
		{name: "a broken pattern", entry: Entry{Match: "[n"}, target: "beside", want: "base=bookworm+1 beside<base+1"},

		{name: "upgrade of the target", entry: Entry{Upgrade: "old:middle"}, target: "top", want: "tool=debian:12+1 top=old:middle+1"},
		{name: "capital letters of a build", entry: Entry{Upgrade: "OLD:middle"}, target: "top", want: "tool=debian:12+1 top=old:middle+1"},
		{name: "the beginning of an id", entry: Entry{Upgrade: "ab2"}, target: "top", want: "tool=debian:12+1 top=old:middle+1"},
		{name: "a name and a beginning of an id: one image", entry: Entry{Upgrade: "localhost/mine:1"}, target: "middle", want: "middle=old:middle+1"},
		{name: "another image", entry: Entry{Upgrade: "debian:12", Stage: "middle"}, target: "top", want: "middle=docker.io/library/debian:12+1 tool=debian:12+1 top<middle+1"},
		{name: "a stage with a FROM", entry: Entry{Upgrade: "old:middle", Stage: "tool"}, target: "top", want: "base=bookworm+1 middle<base+1 tool=old:middle+1 top<middle+1"},
		{name: "a stage with a bootstrap", entry: Entry{Upgrade: "debian:12", Stage: "base"}, target: "beside", want: "base=docker.io/library/debian:12+1 beside<base+1"},
		{name: "a failed stage", entry: Entry{Upgrade: "new:top-failure"}, target: "top", want: "tool=debian:12+1 top=new:top-failure+1"},
		{name: "a start", entry: Entry{Upgrade: "old:middle-start", Stage: "middle"}, target: "middle", want: "middle=old:middle-start+1"},
		{name: "both", entry: Entry{Upgrade: "old:middle", Stage: "top", Match: "*"}, target: "top", want: "tool=unnoted:tool+0 top=old:middle+1"},
		{name: "the entry stage is not taken from a build", entry: Entry{Upgrade: "debian:12", Stage: "middle", Match: "old"}, target: "top", want: "middle=docker.io/library/debian:12+1 tool=debian:12+1 top<middle+1"},

		{name: "ambiguous", entry: Entry{Upgrade: "ab"}, target: "top", err: "ab may be one of 2 images: ab1100000000 (old:base), ab2200000000 (old:middle)"},
		{name: "unknown", entry: Entry{Upgrade: "old:none"}, target: "top", err: "no image old:none is stored; there are skip:middle, new:base, new:top-failure, old:base, old:middle, unnoted:tool"},
		{name: "of others", entry: Entry{Upgrade: "bobs:middle"}, target: "top", err: "no image bobs:middle is stored; there are"},
		{name: "of others by the full name", entry: Entry{Upgrade: "localhost/carosbuild/bobs:middle"}, target: "top", err: "no image"},
		{name: "of others by half of the name", entry: Entry{Upgrade: "carosbuild/bobs:middle"}, target: "top", err: "no image"},
		{name: "an entry elsewhere", entry: Entry{Upgrade: "old:base", Stage: "beside"}, target: "top", err: "the entry stage beside is not one of the stages that lead to top: top, middle, base, tool"},
		{name: "an entry behind a ready stage", entry: Entry{Upgrade: "debian:12", Stage: "base", Match: "old"}, target: "top", err: "the entry stage base is not one of"},
		{name: "an unknown entry", entry: Entry{Upgrade: "old:base", Stage: "midle"}, target: "top", err: `no entry stage "midle" is declared (did you mean "middle"?)`},
		{name: "two targets", entry: Entry{Upgrade: "old:base"}, target: "top beside", err: "which stage starts from old:base? name the entry stage, or one target of: top, beside"},
		{name: "two targets and an entry", entry: Entry{Upgrade: "old:base", Stage: "beside"}, target: "top beside", want: "base=bookworm+1 middle<base+1 tool=debian:12+1 top<middle+1 beside=old:base+1"},
		{name: "a target that another is based on", entry: Entry{Match: "old"}, target: "middle top", want: "base=old:base+0 middle<base+1 tool=debian:12+1 top<middle+1"},
		{name: "an entry stage without an image", entry: Entry{Stage: "middle"}, target: "beside", want: "base=bookworm+1 beside<base+1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := decltest.Parse(t, chainText)
			before := describe(t, d.Stages, "top", "beside")
			user := "me"
			if tt.foreign {
				user = ""
			}
			targets := strings.Fields(tt.target)
			got, started, err := tt.entry.Apply(d, targets, images, StoredStages(images, builds, user))
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(describe(t, got.Stages, targets...), tt.want); diff != "" {
				t.Errorf("plan (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(describe(t, d.Stages, "top", "beside"), before); diff != "" {
				t.Errorf("the declaration has changed (-now +before):\n%s", diff)
			}
			for _, s := range started {
				if bootstrapped := s.Stage != "tool"; (s.Base != nil) != bootstrapped || s.Base != nil && s.Base.ID != "base" {
					t.Errorf("stage %s is based on %v", s.Stage, s.Base)
				}
			}
		})
	}
}

func TestStoredStages(t *testing.T) {
	images, builds := shop(t)
	var got []string
	for _, s := range StoredStages(images, builds, "me") {
		got = append(got, s.Name()+" "+string(s.Status))
	}
	want := []string{"skip:middle done", "skip:middle-start start", "new:base done", "new:top-failure failed", "old:base done", "old:middle done", "old:middle-start start", "unnoted:tool done"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("stages (-got +want):\n%s", diff)
	}
}

// A stage on a stored image knows the mirrors of the bootstrap that the image
// is based on, and so do the stages on top of it.
func TestBases(t *testing.T) {
	d := decltest.Parse(t, chainText)
	cut, started, err := Entry{Upgrade: "x"}.Apply(d, []string{"middle"}, []layer.Image{{ID: "x"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	graph := t.TempDir()
	r := &resolve.Resolver{
		Pins: resolve.Pins{Dir: t.TempDir()}, Registry: registry.Client{Store: layer.Paths{GraphRoot: graph}, Env: func(string) string { return "" }},
		Fetcher: &debian.Fetcher{Cache: t.TempDir(), Backoff: time.Millisecond}, Host: debian.Host{Mirror: "http://127.0.0.1:1/a", Keyrings: []string{"/none"}},
		Arch: "amd64", Now: time.Now,
	}
	if err := os.MkdirAll(graph+"/overlay-images", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(graph+"/overlay-images/images.json", []byte(`[{"id": "x"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Bases = map[string]*decl.Stage{started[0].Stage: started[0].Base}
	cut.Stages[3].Actions = nil // top, without the tool
	res, err := r.Resolve(t.Context(), cut, []string{"top"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res.Base, map[string]string{"middle": "middle", "top": "middle"}); diff != "" {
		t.Errorf("bases (-got +want):\n%s", diff)
	}
	if got := res.Wanted["middle"]; got.Suite != "bookworm" || got.Arch != "amd64" {
		t.Errorf("middle is based on %+v", got)
	}
	if len(res.Packages) != 0 {
		t.Error("a bootstrap was resolved that is not needed")
	}
}

// Names of images come from the program that has stored them.
func TestBuildIDsStayInside(t *testing.T) {
	b := Builds{Dir: t.TempDir() + "/builds"}
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".hidden", "a\x00b", strings.Repeat("a", 300)} {
		if err := b.Write(id, BuildInfo{Owner: "me"}); err == nil {
			t.Errorf("build id %q was taken", id)
		}
		if _, ok := b.Read(id); ok {
			t.Errorf("build id %q was found", id)
		}
	}
}

// describe is the stages that the targets need: START+STEPS, where START is
// <PARENT or =IMAGE.
func describe(t *testing.T, stages []*decl.Stage, targets ...string) string {
	t.Helper()
	ordered, err := plan.Order(stages, targets)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range ordered {
		text, steps := s.ID+"<"+s.Prestage, len(s.Actions)
		switch {
		case s.Bootstrap != nil:
			text = s.ID + "=" + s.Bootstrap.Suite
		case s.Prestage == "":
			text, steps = s.ID+"="+s.Actions[0].Written().Text, steps-1
		}
		out = append(out, text+"+"+strconv.Itoa(steps))
	}
	return strings.Join(out, " ")
}
