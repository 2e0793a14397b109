// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
)

func TestVerifyOptions(t *testing.T) {
	silent := []DiskOutputs{{Disk: &decl.Disk{ID: "d"}, Outs: []disk.Output{{Path: "none.raw"}}}}
	if err := (&VerifyOptions{}).Check(silent); err != nil {
		t.Error(err)
	}
	if err := (&VerifyOptions{}).Boot(t.Context(), silent); err != nil {
		t.Errorf("a disk is booted that nobody asked to verify: %v", err)
	}
	if err := (&VerifyOptions{Verify: true}).Check(silent); !complains(err, "--verify-boot: disk d has no <expect>") {
		t.Error(err)
	}
	silent[0].Disk.Expects = append(silent[0].Disk.Expects, decl.Expect{Console: "login:"})
	if err := (&VerifyOptions{Verify: true}).Check(silent); err != nil {
		t.Error(err)
	}
}

func TestCheckOutputs(t *testing.T) {
	dir := t.TempDir()
	for what, tt := range map[string]struct {
		flags   DiskFlags
		verify  bool
		problem string
	}{
		"no output":                 {DiskFlags{}, false, ""},
		"a format of none":          {DiskFlags{Format: "vmdk"}, false, "--format needs --out"},
		"a boot of none":            {DiskFlags{}, true, "--verify-boot needs --out"},
		"compressed too much":       {DiskFlags{Out: []string{dir + "/a.vmdk"}, Level: 10}, false, "--compression-level 10"},
		"an ending that is unknown": {DiskFlags{Out: []string{dir + "/a.txt"}}, false, "a.txt"},
		"a disk":                    {DiskFlags{Out: []string{dir + "/a.vmdk"}, Level: 9}, true, ""},
		"one for each disk":         {DiskFlags{Out: []string{dir + "/none/{disk}.vmdk"}}, false, ""}, // checked when the ids are known
	} {
		if err := tt.flags.CheckOutputs(tt.verify); !complains(err, tt.problem) {
			t.Errorf("%s: got %v, want %q", what, err, tt.problem)
		}
	}
	o := DiskFlags{Out: []string{"/dev/null"}}
	if !o.Streams() || slices.ContainsFunc([]string{dir, dir + "/new.raw"}, func(path string) bool { return (&DiskFlags{Out: []string{path}}).Streams() }) {
		t.Error("what is read while it is written is not told apart")
	}
}

// complains reports whether an error mentions something; "" means that there is no
// error.
func complains(err error, about string) bool {
	if err == nil || about == "" {
		return err == nil && about == ""
	}
	return strings.Contains(err.Error(), about)
}
