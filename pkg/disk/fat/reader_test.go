// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

func openFS(t testing.TB, path string) *FS {
	t.Helper()
	f, err := Open(disktest.File(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// contents are files and, with a slash, directories.
func contents(t testing.TB, f *FS) map[string]string {
	t.Helper()
	tr, err := f.Tree()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range tr.Entries[1:] {
		if e.Type() == tree.Dir {
			out[e.Path+"/"] = ""
			continue
		}
		out[e.Path] = ""
		if e.Content != nil {
			b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
			if err != nil || int64(len(b)) != e.Size {
				t.Fatalf("/%s: %d of %d bytes: %v", e.Path, len(b), e.Size, err)
			}
			out[e.Path] = string(b)
		}
	}
	return out
}

// TestReadRandom reads back what the writer made of random trees.
func TestReadRandom(t *testing.T) {
	for seed := range uint64(4) {
		files := randomTree(rand.New(rand.NewPCG(seed, 7)))
		m, err := Build(mk(files), Options{Size: 64 << 20, Label: "SOME LABEL", Serial: 0x1234ABCD, Time: 1700000000})
		if err != nil {
			t.Fatal(err)
		}
		f := openFS(t, disktest.Save(t, m, 1))
		if diff := cmp.Diff(withDirs(files), contents(t, f)); diff != "" {
			t.Fatalf("content (-want +got):\n%s", diff)
		}
		if f.Kind() != "fat32" || f.Label() != "SOME LABEL" || f.ID() != "1234-ABCD" {
			t.Errorf("%s, label %q, serial %s", f.Kind(), f.Label(), f.ID())
		}
	}
}

// foreignFS makes a file system with mkfs.fat and copies files with mtools.
func foreignFS(t testing.TB, files map[string]string, bits, mibs int, args ...string) string {
	t.Helper()
	path, src := filepath.Join(t.TempDir(), "fs"), t.TempDir()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(mibs)<<20); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.fat", append(append([]string{"-F", strconv.Itoa(bits), "-n", "VOLUME"}, args...), path)...)
	for name, text := range withDirs(files) {
		to := filepath.Join(src, name)
		if text == "" {
			if err := os.MkdirAll(to, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	top, err := filepath.Glob(src + "/*")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mcopy", append(append([]string{"-s", "-m", "-i", path}, top...), "::")...)
	return path
}

var foreignFiles = map[string]string{
	"EFI/BOOT/BOOTX64.EFI": "MZ", "vmlinuz": string(make([]byte, 300000)), "README.TXT": "text", "Mixed Case name.conf": "long",
	"größe": "umlauts", "a/b/c/d/e": "deep", "sub/": "",
}

func TestReadMkfs(t *testing.T) {
	for _, tt := range []struct {
		bits, mibs int
		args       []string
	}{{12, 4, nil}, {16, 32, nil}, {32, 64, nil}, {16, 32, []string{"-s", "1", "-r", "1024"}}, {32, 300, []string{"-S", "4096", "-s", "1"}}, {12, 8, []string{"-f", "1"}}} {
		f := openFS(t, foreignFS(t, foreignFiles, tt.bits, tt.mibs, tt.args...))
		if diff := cmp.Diff(withDirs(foreignFiles), contents(t, f)); diff != "" {
			t.Errorf("FAT%d %v: content (-want +got):\n%s", tt.bits, tt.args, diff)
		}
		if f.bits != tt.bits || f.Label() != "VOLUME" {
			t.Errorf("FAT%d: label %q, want FAT%d", f.bits, f.Label(), tt.bits)
		}
	}
}

// TestLabelOfRoot takes the label from the root directory only: what the boot
// sector has besides is not looked at by systems.
func TestLabelOfRoot(t *testing.T) {
	m, err := Build(mk(nil), Options{Size: 64 << 20, Label: "BOTH", Bits: 16})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Label() != "BOTH" {
		t.Errorf("label %q", f.Label())
	}
	b[bytes.LastIndex(b, []byte("BOTH       "))] = 0xE5
	if f, err = Open(bytes.NewReader(b), int64(len(b))); err != nil || f.Label() != "" {
		t.Errorf("without one in the root: %q, %v", f.Label(), err)
	}
}
