// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/source/git"
)

func TestLeavesWithout(t *testing.T) {
	p := &Plan{Stages: []Job{{ID: "base"}, {ID: "left", Needs: []string{"base"}}, {ID: "d.bios", Needs: []string{"left"}}, {ID: "right", Needs: []string{"base"}}}}
	for _, tt := range []struct {
		but  string
		want []string
	}{
		{"", []string{"d.bios", "right"}},
		{"d.bios", []string{"left", "right"}},
		{"right", []string{"d.bios"}},
	} {
		if diff := cmp.Diff(p.LeavesWithout(func(id string) bool { return id == tt.but }), tt.want); diff != "" {
			t.Errorf("leaves without %q (-got +want):\n%s", tt.but, diff)
		}
	}
	if p.Job("left") != &p.Stages[1] || p.Job("none") != nil {
		t.Error("a job is not found by its stage")
	}
}

func TestMarkCached(t *testing.T) {
	p := &Plan{Stages: []Job{{ID: "a", Steps: []Step{{Key: "1"}, {Key: "2"}}}, {ID: "empty"}, {ID: "b", Steps: []Step{{Key: ""}, {Key: "3"}}}}}
	var asked []string
	has := func(keys string) func(string) (bool, error) {
		return func(k string) (bool, error) {
			asked = append(asked, k)
			return strings.Contains(keys, k), nil
		}
	}
	if err := p.MarkCached(has("23")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asked, []string{"1", "2", "3"}); diff != "" {
		t.Errorf("keys that were asked for (-got +want):\n%s", diff)
	}
	if !p.Complete() || p.Stages[0].Steps[0].Cached || !p.Stages[0].Steps[1].Cached || p.Steps() != 4 {
		t.Errorf("marked %+v", p)
	}
	if err := p.MarkCached(has("2")); err != nil || p.Complete() {
		t.Errorf("error %v, complete %v though stage b is not stored", err, p.Complete())
	}
	broken := errors.New("broken")
	if err := p.MarkCached(func(string) (bool, error) { return false, broken }); err != broken {
		t.Errorf("error %v", err)
	}
}

// A plan that is shown has no password; the plan that is run keeps it.
func TestRedacted(t *testing.T) {
	const secret = "https://u:s3cr3t@h/poky"
	p := &Plan{Stages: []Job{{ID: "s", Steps: []Step{
		{Kind: "RUN", Action: &Run{Args: []string{"x"}}},
		{Kind: "REPOSYNC", Action: &Reposync{Trees: []GitTree{{URL: "https://h/poky"}}, From: []git.Pinned{{URL: secret, Commit: "1"}}}},
	}}}}
	data, err := json.Marshal(p.Redacted())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "s3cr3t") || !strings.Contains(string(data), `"commit":"1"`) {
		t.Errorf("shown: %s", data)
	}
	if got := p.Stages[0].Steps[1].Action.(*Reposync).From[0].URL; got != secret {
		t.Errorf("the plan itself has %q", got)
	}
}

// No step of a plan has passwords, except for the addresses that are redacted.
func TestTreesOfAPlanAreWithoutPasswords(t *testing.T) {
	in := inputs()
	in.Trees = []GitTree{{Path: "/p", URL: "https://h/poky", Commit: "1", From: git.Pinned{URL: "https://u:s3cr3t@h/poky"}}}
	d, _ := decl.Parse(decl.Source{Name: "a.xml", Data: []byte(`<redo><layer_declaration><remote name="r" baseurl="git://h/"/><baselayer remote="r" repo="poky" revision="main"/></layer_declaration>` +
		start + `<reposync/></buildstage></redo>`)})
	p, err := NewPlan(d, []string{"s"}, in)
	if err != nil {
		t.Fatal(err)
	}
	a := p.Stages[0].Steps[1].Action.(*Reposync)
	if a.Trees[0].From != (git.Pinned{}) || a.From[0] != in.Trees[0].From {
		t.Errorf("trees %+v, from %+v", a.Trees, a.From)
	}
}

func TestStepError(t *testing.T) {
	cause := errors.New("no such file")
	for _, tt := range []struct {
		e    StepError
		want string
	}{
		{StepError{Stage: "s", Kind: "RUN", Text: "x", Status: 7}, "stage s: RUN x: exit status 7"},
		{StepError{Stage: "s", Kind: "ADD", Text: "f /", Err: cause}, "stage s: ADD f /: no such file"},
	} {
		if tt.e.Error() != tt.want || errors.Unwrap(&tt.e) != tt.e.Err {
			t.Errorf("got %q of %v, want %q", tt.e.Error(), errors.Unwrap(&tt.e), tt.want)
		}
	}
	if got := (&Step{Kind: "REPOSYNC"}).Title(); got != "REPOSYNC" {
		t.Errorf("title %q", got)
	}
	if got := MirrorOf("m", "h"); got != "mirror m h" {
		t.Errorf("got %q", got)
	}
}

// The error of a step that fails on another machine is the same here.
func TestStepErrorBothWays(t *testing.T) {
	for _, e := range []*StepError{
		{Stage: "s", Kind: "RUN", Text: "x", Status: 7, Tail: []string{"a", ""}, Log: "/l", Logs: "/d", Image: "b:s", Span: finding.Span{File: "a.xml", Line: 3}},
		{Stage: "s", Kind: "ADD", Text: "f /", Err: errors.New("no such file")},
	} {
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got := &StepError{Logs: "x", Err: errors.New("x")}
		if err := json.Unmarshal(data, got); err != nil {
			t.Fatal(err)
		}
		if got.Error() != e.Error() || (got.Err == nil) != (e.Err == nil) {
			t.Errorf("%v became %v", e, got)
		}
		got.Err = e.Err
		if diff := cmp.Diff(*got, *e, cmpopts.EquateErrors()); diff != "" {
			t.Errorf("%s (-got +want):\n%s", data, diff)
		}
	}
	if err := json.Unmarshal([]byte(`{"tail":1}`), &StepError{}); err == nil {
		t.Error("a number is taken as lines")
	}
}

// Revisions that do not exist become findings at their places, but only if nothing
// else is wrong.
func TestMissingCommits(t *testing.T) {
	trees := []GitTree{{Path: "/a", Span: finding.Span{File: "a.xml", Line: 3}}, {Path: "/b", Span: finding.Span{File: "a.xml", Line: 4}}}
	from := []git.Pinned{{URL: "https://u:p@h/a", Commit: "1"}, {URL: "https://h/b", Commit: "2"}}
	none := func(url, commit string) error { return &git.NotFoundError{URL: url, Revision: commit, Why: "gone"} }
	broken := errors.New("no network")
	var fe *finding.ListError
	if err := MissingCommits(none("https://h/b", "2"), trees, from); !errors.As(err, &fe) || len(fe.Findings) != 1 || fe.Findings[0].Span.Line != 4 {
		t.Errorf("one: %v", err)
	}
	both := errors.Join(none(git.Redact("https://u:p@h/a"), "1"), none("https://h/b", "2"))
	if err := MissingCommits(both, trees, from); !errors.As(err, &fe) || len(fe.Findings) != 2 || fe.Findings[0].Span.Line != 3 {
		t.Errorf("both: %v", err)
	}
	for _, err := range []error{broken, errors.Join(none("https://h/b", "2"), broken), none("https://h/c", "2")} {
		if got := MissingCommits(err, trees, from); got != err {
			t.Errorf("got %v, want it as it was", got)
		}
	}
}

func TestImageRef(t *testing.T) {
	s := &decl.Stage{Dirs: []string{"/d"}}
	for ref, want := range map[string]string{
		"debian:12": "debian:12", "oci:x:y": "oci:/d/x:y", "docker-archive:x.tar": "docker-archive:/d/x.tar", "oci:/abs": "oci:/abs",
	} {
		if got := ImageRef(s, ref); got != want {
			t.Errorf("%s: got %s, want %s", ref, got, want)
		}
	}
	if got := DigestOf("docker.io/library/debian@sha256:aa"); got != "sha256:aa" {
		t.Errorf("digest %q", got)
	}
}

// TestUncached: the plan that it is of stays as it is.
func TestUncached(t *testing.T) {
	p := &Plan{Stages: []Job{{ID: "a", Steps: []Step{{Key: "1", Cached: true}, {Key: "2"}}}}}
	got := p.Uncached()
	if got.Stages[0].Steps[0].Cached || !p.Stages[0].Steps[0].Cached || got.Steps() != 2 || got.Stages[0].Steps[0].Key != "1" {
		t.Errorf("got %+v of %+v", got, p)
	}
}
