// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Sparse files of a layer, as GNU tar packs them, are complete in the store and keep their
// holes; the stream is written again byte for byte.
func TestSparseLayers(t *testing.T) {
	if _, err := exec.LookPath("tar"); err != nil {
		t.Skip("no tar")
	}
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	content := make([]byte, 6<<20+123)
	copy(content, "first")
	copy(content[3<<20+70:], bytes.Repeat([]byte("middle"), 30000))
	for name, size := range map[string]int{"big": len(content), "hole": 4 << 20} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "big" {
			for off := 0; off < size; off += 64 << 10 {
				if b := content[off:min(off+64<<10, size)]; len(bytes.Trim(b, "\x00")) > 0 {
					if _, err := f.WriteAt(b, int64(off)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := f.Truncate(int64(size)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	s := openStore(t)
	for _, form := range []string{"--format=gnu", "--format=posix --sparse-version=0.0", "--format=posix --sparse-version=0.1", "--format=posix --sparse-version=1.0"} {
		args := append([]string{"-C", dir, "--sparse", "--owner=0", "--group=0", "-cf", "-"}, strings.Fields(form)...)
		stream, err := exec.CommandContext(t.Context(), "tar", append(args, "big", "hole")...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(stream) > 2<<20 {
			t.Fatalf("%s: tar has packed %d bytes, which is not sparse", form, len(stream))
		}
		l, err := s.Apply(t.Context(), "", bytes.NewReader(stream), v1.Hash{})
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		var again bytes.Buffer
		if err := s.WriteTar(l, &again); err != nil || !bytes.Equal(again.Bytes(), stream) {
			t.Errorf("%s: the stream given back differs, %v", form, err)
		}
		tr := mountedTree(t, s, l.ID)
		if len(tr.Entries) != 3 || tr.Entries[1].Size != int64(len(content)) || tr.Entries[2].Size != 4<<20 {
			t.Fatalf("%s: %+v", form, tr.Entries)
		}
		got, err := io.ReadAll(io.NewSectionReader(tr.Entries[1].Content, 0, tr.Entries[1].Size))
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: the content differs, %v", form, err)
		}
		if fi, err := os.Stat(filepath.Join(s.diffDir(l.ID), "hole")); err != nil || fi.Sys().(*syscall.Stat_t).Blocks > 100 {
			t.Errorf("%s: the hole takes room: %v", form, err)
		}
		if err := s.Headers(l.ID, func(*tar.Header) error { return nil }); err != nil {
			t.Errorf("%s: headers of the record: %v", form, err)
		}
	}
}
