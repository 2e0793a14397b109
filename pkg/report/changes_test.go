// SPDX-License-Identifier: MPL-2.0

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/history"
)

func TestFormer(t *testing.T) {
	build := func(id string, start float64, status history.Status, target string, files ...string) *history.Report {
		r := &history.Report{BuildID: id, Start: at(start), Status: status, Targets: []string{target}}
		for _, f := range files {
			r.Declarations = append(r.Declarations, history.FileReport{Name: f})
		}
		return r
	}
	now := build("now", 10, history.Failed, "t", "/a/x.xml")
	all := []*history.Report{
		now,
		build("newer", 11, history.Done, "t", "/a/x.xml"),
		build("failed", 9, history.Failed, "t", "/a/x.xml"),
		build("other target", 8, history.Done, "u", "/a/x.xml"),
		build("other file", 7, history.Done, "t", "/a/y.xml"),
		build("with an overlay", 6, history.Done, "t", "/a/x.xml", "/a/site.xml"),
		build("oldest", 1, history.Done, "t", "/a/x.xml"),
		build("this one", 5, history.Done, "t", "/ci/17/x.xml"), // another folder
	}
	if got := Former(now, all); got == nil || got.BuildID != "this one" {
		t.Errorf("got %+v", got)
	}
	if got := Former(now, all[:4]); got != nil {
		t.Errorf("got %s", got.BuildID)
	}
}

func TestCompareLayers(t *testing.T) {
	report := func(layers ...[]string) *history.Report {
		s := history.StageReport{ID: "s"}
		for _, l := range layers {
			s.Steps = append(s.Steps, history.StepReport{Kind: "RUN", Text: l[0], Size: 10, Layers: l})
		}
		return &history.Report{Stages: []history.StageReport{s}}
	}
	got := CompareLayers(report([]string{"a", "b"}, []string{"c"}, []string{"d"}), report([]string{"a", "x"}, []string{"c"}, []string{"y", "z"}))
	want := LayerChanges{
		New:  []LayerChange{{"s", "RUN", "a", 10, 1}, {"s", "RUN", "d", 10, 1}},
		Gone: []LayerChange{{"s", "RUN", "a", 10, 1}, {"s", "RUN", "y", 10, 2}},
		Same: 2, SameSize: 10,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if got := CompareLayers(report([]string{"a"}), &history.Report{}); !got.Unknown {
		t.Errorf("with a report by an older version: %+v", got)
	}
}
