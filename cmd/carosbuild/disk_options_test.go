// SPDX-License-Identifier: MPL-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
)

func TestVerifyOptions(t *testing.T) {
	silent := []diskOutputs{{disk: &decl.Disk{ID: "d"}, outs: []disk.Output{{Path: "none.raw"}}}}
	if err := (&verifyOptions{}).check(silent); err != nil {
		t.Error(err)
	}
	if err := (&verifyOptions{}).boot(t.Context(), silent); err != nil {
		t.Errorf("a disk is booted that nobody asked to verify: %v", err)
	}
	if err := (&verifyOptions{verify: true}).check(silent); !complains(err, "--verify-boot: disk d has no <expect>") {
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
		if err := tt.flags.checkOutputs(tt.verify); !complains(err, tt.problem) {
			t.Errorf("%s: got %v, want %q", what, err, tt.problem)
		}
	}
	o := diskFlags{out: []string{"/dev/null"}}
	if !o.streams() || slices.ContainsFunc([]string{dir, dir + "/new.raw"}, func(path string) bool { return (&diskFlags{out: []string{path}}).streams() }) {
		t.Error("what is read while it is written is not told apart")
	}
}

// complains reports whether an error is about something, "" for none.
func complains(err error, about string) bool {
	if err == nil || about == "" {
		return err == nil && about == ""
	}
	return strings.Contains(err.Error(), about)
}
