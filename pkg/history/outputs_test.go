// SPDX-License-Identifier: MPL-2.0

package history

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk"
)

// An output is known by its real name, and is not what was written any more once
// anything has written or replaced it.
func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	path, link := filepath.Join(dir, "a.vmdk"), filepath.Join(dir, "link.vmdk")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("disk")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	outs := OutputsOf("d", disk.Output{Path: link})
	if len(outs) != 1 {
		t.Fatalf("files: %v", outs)
	}
	o := outs[0]
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Output{Path: path, Format: "vmdk", Disk: "d", Size: 4, ModTime: st.ModTime().UTC(), Inode: Inode(st)}
	if diff := cmp.Diff(want, o); diff != "" || !o.Is(st) || o.Inode == 0 {
		t.Errorf("it is %v what was written, -want +got\n%s", o.Is(st), diff)
	}
	for what, change := range map[string]func() error{
		"other content": func() error { write("diskette"); return nil },
		"another time":  func() error { write("disk"); return os.Chtimes(path, o.ModTime, o.ModTime.Add(1)) },
		"another file":  func() error { return os.Rename(copyOf(t, path, o), path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if st, err = os.Stat(path); err != nil || o.Is(st) {
			t.Errorf("%s: not noticed, %v", what, err)
		}
	}
	for _, path := range []string{"/dev/null", filepath.Join(dir, "none.raw"), "-"} {
		if outs := OutputsOf("d", disk.Output{Path: path, Format: "raw"}); len(outs) != 0 {
			t.Errorf("%s has files: %v", path, outs)
		}
	}
}

// copyOf is a file of the size and time of an output, beside it.
func copyOf(t *testing.T, path string, o Output) string {
	t.Helper()
	copied := path + ".copy"
	if err := os.WriteFile(copied, make([]byte, o.Size), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(copied, o.ModTime, o.ModTime); err != nil {
		t.Fatal(err)
	}
	return copied
}
