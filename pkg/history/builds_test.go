// SPDX-License-Identifier: MPL-2.0

package history

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Where the record of a build does not say what was built, its report does.
func TestKnownBuild(t *testing.T) {
	b, logs := Builds{Dir: filepath.Join(t.TempDir(), "builds")}, t.TempDir()
	for id, info := range map[string]BuildInfo{"new": {Owner: "ann", Targets: []string{"x"}}, "old": {Owner: "ben"}, "gone": {Owner: "cid"}} {
		if err := b.Write(id, info); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"new", "old"} {
		r := &Report{Schema: ReportSchema, BuildID: id, Targets: []string{"s", "s.bios"}, Disk: "d", Declarations: []FileReport{{Name: "/home/ben/a.xml"}}}
		if err := WriteReport(filepath.Join(logs, id), r); err != nil {
			t.Fatal(err)
		}
	}
	both := []string{"s", "s.bios"}
	for id, want := range map[string]BuildInfo{
		"new": {Owner: "ann", Targets: []string{"x"}}, "gone": {Owner: "cid"}, "none": {}, "../old": {},
		"old": {Owner: "ben", Targets: both, Leaves: both, DiskStages: []string{"s"}, Declaration: []string{"a.xml"}},
	} {
		if diff := cmp.Diff(want, b.Known(id, logs)); diff != "" {
			t.Errorf("%s: -want +got\n%s", id, diff)
		}
	}
}
