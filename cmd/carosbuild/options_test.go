// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
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
		got, err := tt.options.targets(&job{decl: tt.decl})
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
	on := func(stages ...string) []diskOutputs {
		var out []diskOutputs
		for _, s := range stages {
			out = append(out, diskOutputs{disk: &decl.Disk{Stage: s}})
		}
		return out
	}
	for _, tt := range []struct {
		disks   []diskOutputs
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

func TestVerifyOptions(t *testing.T) {
	silent := []diskOutputs{{disk: &decl.Disk{ID: "d"}, outs: []disk.Output{{Path: "none.raw"}}}}
	if err := (&verifyOptions{}).check(silent); err != nil {
		t.Error(err)
	}
	if err := (&verifyOptions{}).boot(t.Context(), silent); err != nil {
		t.Errorf("a disk is booted that nobody asked to verify: %v", err)
	}
	if err := (&verifyOptions{verify: true}).check(silent); !problem(err, "--verify-boot: disk d has no <expect>") {
		t.Error(err)
	}
	silent[0].disk.Expects = append(silent[0].disk.Expects, decl.Expect{Console: "login:"})
	if err := (&verifyOptions{verify: true}).check(silent); err != nil {
		t.Error(err)
	}
}

func TestCheckOutputs(t *testing.T) {
	dir := t.TempDir()
	for what, tt := range map[string]struct {
		flags   diskFlags
		verify  bool
		problem string
	}{
		"no output":                 {diskFlags{}, false, ""},
		"a format of none":          {diskFlags{format: "vmdk"}, false, "--format needs --out"},
		"a boot of none":            {diskFlags{}, true, "--verify-boot needs --out"},
		"compressed too much":       {diskFlags{out: []string{dir + "/a.vmdk"}, level: 10}, false, "--compression-level 10"},
		"an ending that is unknown": {diskFlags{out: []string{dir + "/a.txt"}}, false, "a.txt"},
		"a disk":                    {diskFlags{out: []string{dir + "/a.vmdk"}, level: 9}, true, ""},
		"one for each disk":         {diskFlags{out: []string{dir + "/none/{disk}.vmdk"}}, false, ""}, // looked at when the ids are known
	} {
		if err := tt.flags.checkOutputs(tt.verify); !problem(err, tt.problem) {
			t.Errorf("%s: got %v, want %q", what, err, tt.problem)
		}
	}
	o := diskFlags{out: []string{"/dev/null"}}
	if !o.streams() || slices.ContainsFunc([]string{dir, dir + "/new.raw"}, func(path string) bool { return (&diskFlags{out: []string{path}}).streams() }) {
		t.Error("what is read while it is written is not told apart")
	}
}
