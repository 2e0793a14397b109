// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

func differences(t testing.TB, a, b *Disk) []string {
	t.Helper()
	var out []string
	if err := Diff(t.Context(), a, b, func(d Difference) { out = append(out, d.String()) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDiff(t *testing.T) {
	a := compose(t, hybrid(t, root()))
	if got := differences(t, looked(t, a), opened(t, a, "d.vmdk", "")); got != nil {
		t.Errorf("a disk differs from itself: %v", got)
	}
	other := root()
	other["etc/hostname"] = "other-node\n"
	delete(other, "empty")
	other["etc/new"] = "new"
	s := hybrid(t, other)
	for i := range s.Partitions[1].Tree.Entries {
		if e := &s.Partitions[1].Tree.Entries[i]; e.Path == "sbin/init" {
			e.Mode, e.UID, e.Mtime = tree.Regular|0o4755, 7, 1
			e.Xattrs = []tree.Xattr{{Name: "security.capability", Value: []byte{1, 2}}}
		}
	}
	want := []string{
		"partition root: /empty: only the first has it (file of 0 bytes)",
		"partition root: /etc/hostname: content differs (7 and 11 bytes)",
		"partition root: /etc/new: only the second has it (file of 3 bytes)",
		"partition root: /sbin/init: mode differs (0644 and 4755)",
		"partition root: /sbin/init: owner differs (0:0 and 7:0)",
		"partition root: /sbin/init: time differs (1700000000.000000000 and 1.000000000)",
		"partition root: /sbin/init: attribute security.capability differs (none and 0102)",
	}
	if diff := cmp.Diff(want, differences(t, looked(t, a), looked(t, compose(t, s)))); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	got := differences(t, looked(t, a), looked(t, compose(t, board(t))))
	if len(got) < 10 || !strings.HasPrefix(got[1], "disk: partition table differs (gpt and mbr)") {
		t.Errorf("two kinds of disks: %v", got)
	}
}
