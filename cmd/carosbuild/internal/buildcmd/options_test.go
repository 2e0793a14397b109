// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/pkg/decl"
)

// bottom is a declaration of stages a, b and c, b on top of a.
func bottom() *decl.Declaration {
	return &decl.Declaration{Stages: []*decl.Stage{{ID: "a"}, {ID: "b", Prestage: "a"}, {ID: "c"}}}
}

func TestTargets(t *testing.T) {
	for what, tt := range map[string]struct {
		options planOptions
		decl    *decl.Declaration
		want    []string
		problem string
	}{
		"what no other needs":     {planOptions{}, bottom(), []string{"b", "c"}, ""},
		"what is asked for":       {planOptions{wanted: []string{"c", "a", "c"}}, bottom(), []string{"c", "a"}, ""},
		"no such stage":           {planOptions{wanted: []string{"d"}}, bottom(), nil, `no stage "d" is declared`},
		"a target of bitbake":     {planOptions{wanted: []string{"image"}, declFiles: []string{"p.yml"}}, bottom(), nil, "KAS_TARGET=image"},
		"nothing to build at all": {planOptions{}, &decl.Declaration{}, nil, "the declaration has no stages"},
	} {
		got, err := tt.options.targets(&buildJob{decl: tt.decl})
		if diff := cmp.Diff(tt.want, got); diff != "" || !problem(err, tt.problem) {
			t.Errorf("%s: %v, -want +got\n%s", what, err, diff)
		}
	}
}

// problem reports whether an error is about something, "" for none.
func problem(err error, about string) bool {
	if err == nil || about == "" {
		return err == nil && about == ""
	}
	return strings.Contains(err.Error(), about)
}

func TestSuccessStage(t *testing.T) {
	on := func(stages ...string) []diskcmd.DiskOutputs {
		var out []diskcmd.DiskOutputs
		for _, s := range stages {
			out = append(out, diskcmd.DiskOutputs{Disk: &decl.Disk{Stage: s}})
		}
		return out
	}
	for _, tt := range []struct {
		disks   []diskcmd.DiskOutputs
		targets []string
		want    string
	}{
		{nil, []string{"a"}, "a"},
		{nil, []string{"a", "b"}, ""},
		{on("a", "a"), []string{"a", "d.bios"}, "a"},
		{on("a", "b"), []string{"a", "b"}, ""},
	} {
		if got := successStage(tt.disks, tt.targets); got != tt.want {
			t.Errorf("%d disks, targets %v: got %q, want %q", len(tt.disks), tt.targets, got, tt.want)
		}
	}
}
