// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

func treeWith(files map[string]string) *tree.Tree {
	b := tree.NewBuilder(1)
	for path, content := range files {
		e := tree.Entry{Path: path, Mode: tree.Regular | 0o644, Mtime: 1, Size: int64(len(content)), Content: image.Bytes(content)}
		if err := b.Add(e); err != nil {
			panic(err)
		}
	}
	t, err := b.Tree()
	if err != nil {
		panic(err)
	}
	return t
}

func paths(changes []delta.Change) (out []string) {
	for _, c := range changes {
		out = append(out, c.Path)
	}
	return out
}

// A content written in place, with the same size and time, is a change, unless it is the same
// as before; contents that were not written are not read.
func TestChanges(t *testing.T) {
	read := 0
	content := strings.Repeat("x", 10_000)
	tr := treeWith(map[string]string{"d/changed": content, "d/kept": content, "same": content})
	for i := range tr.Entries {
		if e := &tr.Entries[i]; e.Path == "d/kept" {
			e.Content = counted{image.Bytes(content), &read}
		}
	}
	d, err := NewDisk(tr, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if changes, err := d.Changes(t.Context(), nil); len(changes) > 0 || err != nil {
		t.Errorf("before anything was written: %v, %v", paths(changes), err)
	}
	before, err := treeOf(d.image)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"d/changed": "y", "same": "x"} {
		e, err := before.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		runs, ok := ext4.Layout(e)
		if !ok {
			t.Fatalf("%s has no layout", name)
		}
		if _, err := d.Device().WriteAt([]byte(data), runs[0].At+5000); err != nil {
			t.Fatal(err)
		}
	}
	changes, err := d.Changes(t.Context(), nil)
	if diff := cmp.Diff(paths(changes), []string{"d", "d/changed"}); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if changes, err := d.Changes(t.Context(), map[string]bool{"d/changed": true}); len(changes) > 0 || err != nil {
		t.Errorf("reverted: %v, %v", paths(changes), err)
	}
	if read > 0 {
		t.Errorf("a file that nobody has written was read %d times", read)
	}
}

type counted struct {
	image.Bytes
	n *int
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	*c.n++
	return c.Bytes.ReadAt(p, off)
}

// A disk with a failed write cannot be used.
func TestBrokenDisk(t *testing.T) {
	d, err := NewDisk(treeWith(map[string]string{"f": "1"}), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil { // closes the file, too
		t.Fatal(err)
	}
	if _, err := d.Device().WriteAt(make([]byte, 4096), 0); err == nil {
		t.Error("it was written")
	}
	if _, err := d.Changes(t.Context(), nil); err == nil {
		t.Error("it was read")
	}
}
