// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// TestForeignTree reads discs made by xorriso, with and without extensions, and
// finds changes in their directories.
func TestForeignTree(t *testing.T) {
	src := t.TempDir()
	for _, name := range []string{"a/b/c/d/e/f/g/h/i/deep", "file", "empty"} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat(name, len(name)%5*2000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		if err := os.WriteFile(filepath.Join(src, "a", strings.Repeat("n", 1+i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"-R"}, {"-R", "-J"}, {"-r", "-iso-level", "3"}} {
		path := filepath.Join(t.TempDir(), "disc")
		tooltest.Run(t, "xorriso", append(append([]string{"-as", "mkisofs", "-quiet", "-o", path}, args...), src)...)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if f := Read(bytes.NewReader(b), int64(len(b))); f == nil || len(f.Problems) > 0 {
			t.Errorf("%v: %+v", args, f)
		}
		root := int(le.Uint32(b[Start+rootRecordAt+2:])) * Sector
		for _, tt := range []struct {
			name string
			at   int
			set  byte
		}{{"length of a record", root, 5}, {"place of a record", root + 2, 0xEE}, {"name of itself", root + nameAt, 9}, {"no record", root, 0}, {"the root's place", Start + rootRecordAt + 5, 0x7F}} {
			bad := bytes.Clone(b)
			bad[tt.at] = tt.set
			if f := Read(bytes.NewReader(bad), int64(len(bad))); len(f.Problems) == 0 {
				t.Errorf("%v, %s: no problem", args, tt.name)
			}
		}
	}
}
