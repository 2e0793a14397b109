// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"errors"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// A mistake of a disk is shown under the value that would correct it. If no value
// would, it is a failure of the disk.
func TestDiskMistakesHavePlaces(t *testing.T) {
	big := files(t, map[string]string{"data": strings.Repeat("data", 10<<20)})
	odd := files(t, map[string]string{"a": "x"})
	odd.tree.Entries[1].Xattrs = []tree.Xattr{{Name: "user.big", Value: make([]byte, 60000)}}
	for _, tt := range []struct {
		name, text, mark, summary, hint string
		root                            heldRoot
	}{
		{
			"a partition", `<disk id="d"><partition name="root" fs="ext4" size="8M" path="/"/></disk>`, "8M",
			`disk d: partition "root" needs 44.8 MiB, has 8 MiB`, `size="45M" would do`, big,
		},
		{
			"the rest of the disk", `<disk id="d" size="16M"><partition name="root" fs="ext4" size="rest" path="/"/></disk>`, "16M",
			"disk d: the disk needs 45.8 MiB, has 16 MiB", `size="46M" would do`, big,
		},
		{
			"partitions that fit", `<disk id="d" size="16M"><partition name="root" fs="ext4" size="fit" path="/"/></disk>`, "16M",
			"disk d: the disk needs 47 MiB, has 16 MiB", `size="47M" would do`, big,
		},
		{"path", `<disk id="d"><partition fs="ext4" size="fit" path="/nothing"/></disk>`, "/nothing", "stage s: look up /nothing", "", big},
		{"from", `<disk id="d"><partition size="fit" from="/nothing"/></disk>`, "/nothing", "stage s: look up /nothing", "", big},
		{
			"a name of the declaration's", `<disk id="d"><partition fs="fat32" size="64M"><file to="/a:b">x</file></partition></disk>`, "/a:b",
			"disk d: partition 1: /a:b: name not allowed on FAT", "", odd,
		},
		{"content", `<disk id="d"><partition name="root" fs="ext4" size="fit" path="/"/></disk>`, "", `disk d: partition "root": ext4: /a: `, "", odd},
	} {
		_, err := composed(t, tt.text, map[string]RootFS{"s": tt.root})
		var de *finding.ListError
		if tt.mark == "" {
			if err == nil || errors.As(err, &de) || !strings.HasPrefix(err.Error(), tt.summary) {
				t.Errorf("%s: got %v", tt.name, err)
			}
			continue
		}
		if !errors.As(err, &de) || len(de.Findings) != 1 {
			t.Errorf("%s: got %v", tt.name, err)
			continue
		}
		f := de.Findings[0]
		col := f.Span.Col - 1 - len("<redo>")
		if col < 0 || tt.text[col:col+f.Span.Len] != tt.mark || !strings.HasPrefix(f.Summary, tt.summary) || f.Hint != tt.hint {
			t.Errorf("%s: got %+v", tt.name, f)
		}
	}
}
