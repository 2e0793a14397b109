// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
)

// TestResultStages: stages from which the disk takes only single files are not
// results.
func TestResultStages(t *testing.T) {
	d := &decl.Disk{ID: "d", Stage: "system", BIOS: &decl.BIOS{Stage: "tools"}, Partitions: []*decl.Partition{
		{Name: "esp", Items: decl.Items{&decl.CopyItem{Stage: "tools"}}}, {Name: "rescue", Stage: "rescue", Path: "/"},
	}}
	all := []string{"system", "tools", "rescue", "d.bios"}
	if diff := cmp.Diff([]string{"system", "rescue"}, ResultStages(all, []*decl.Disk{d})); diff != "" {
		t.Errorf("with a disk (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(all, ResultStages(all, nil)); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
}
