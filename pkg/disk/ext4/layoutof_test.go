// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// The places of a layout, read from the device, have the file's content.
func TestLayout(t *testing.T) {
	holes := file("holes", strings.Repeat("\x00", 1<<20))
	holes.Data = []tree.Range{{Off: 8192, Len: 4096}, {Off: 1<<20 - 5000, Len: 5000}}
	m, err := Build(sorted(dir("d"), file("d/large", strings.Repeat("abc", 100_000)), file("empty", ""), file("small", "x"), holes), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	name := write(t, m)
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := openFS(t, name).Tree()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for i := range got.Entries {
		e := &got.Entries[i]
		runs, ok := Layout(e)
		if e.Type() != tree.Regular {
			if ok {
				t.Errorf("/%s has a layout", e.Path)
			}
			continue
		}
		seen++
		want, have := make([]byte, e.Size), make([]byte, e.Size)
		if e.Size > 0 {
			if _, err := e.Content.ReadAt(want, 0); err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
		stored := int64(0)
		for _, r := range runs {
			if _, err := f.ReadAt(have[r.Off:min(r.Off+r.Len, e.Size)], r.At); err != nil {
				t.Fatal(err)
			}
			stored += r.Len
		}
		if !ok || !bytes.Equal(have, want) {
			t.Errorf("/%s: %v, layout %v is not its content", e.Path, ok, runs)
		}
		if e.Path == "holes" && stored > 16<<10 {
			t.Errorf("/%s: %d bytes are stored", e.Path, stored)
		}
	}
	if other := file("other", "x"); seen != 4 {
		t.Errorf("%d files", seen)
	} else if _, ok := Layout(&other); ok {
		t.Error("an entry of another source has a layout")
	}
}
