// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// setXattr sets an attribute of a file, which mke2fs copies.
func setXattr(t testing.TB, path, name, value string) {
	t.Helper()
	if err := unix.Setxattr(path, name, []byte(value), 0); err != nil {
		t.Skipf("%s: no attributes here: %v", path, err)
	}
}

// repair has e2fsck correct the counts that mke2fs leaves wrong.
func repair(t testing.TB, path string) {
	t.Helper()
	_ = exec.CommandContext(t.Context(), tooltest.Find(t, "e2fsck"), "-fy", path).Run()
	fsck(t, path)
}

// TestReadLargeAttribute reads a value that has an inode of its own.
func TestReadLargeAttribute(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("large value ", 250)
	setXattr(t, filepath.Join(src, "file"), "user.large", want)
	setXattr(t, filepath.Join(src, "file"), "user.small", "x")
	path := foreignFS(t, src, "-O", "ea_inode", "-b", "1024")
	repair(t, path)
	f := openFS(t, path)
	disktest.Clean(t, f)
	e, err := readTree(t, f).Lookup("/file")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range e.Xattrs {
		got[x.Name] = string(x.Value)
	}
	if got["user.large"] != want || got["user.small"] != "x" || len(got) != 2 {
		t.Errorf("%d attributes, a value of %d bytes, want %d", len(got), len(got["user.large"]), len(want))
	}
}

// TestCheckBadBlocks accepts a file system with a list of bad blocks.
func TestCheckBadBlocks(t *testing.T) {
	list := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(list, []byte("9000\n9001\n12000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := openFS(t, foreignFS(t, t.TempDir(), "-l", list))
	disktest.Clean(t, f)
}

// TestUnreadFeatures distinguishes unsupported features from damage.
func TestUnreadFeatures(t *testing.T) {
	m, err := Build(sorted(file("a", "b")), Options{Compat: true, Time: 1700000000})
	if err != nil {
		t.Fatal(err)
	}
	good := make([]byte, m.Size())
	if _, err := m.ReadAt(good, 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(super []byte)
		unread bool // when opened; else when checked
		want   string
	}{
		{"compression", func(s []byte) { s[0x60] |= 1 }, true, "its features (compression) are not read"},
		{"an unknown one", func(s []byte) { s[0x63] |= 0x40 }, true, "its features (0x40000000) are not read"},
		{"a journal elsewhere", func(s []byte) { clear(s[0xe0:0xe4]); s[0xe4] = 1 }, false, "journal: not read: it is on another device"},
		{"changes in the journal", func(s []byte) { s[0x60] |= incompatRecover }, false, "journal: not read: the file system was not unmounted"},
		{"unknown, read-only", func(s []byte) { s[0x67] |= 0x40 }, false, "superblock: not read: features (ro_compat 0x40000000)"},
	} {
		b := bytes.Clone(good)
		tt.change(b[superOffset:])
		f, err := Open(image.Bytes(b), int64(len(b)))
		if tt.unread {
			if !errors.Is(err, damage.ErrUnread) || !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		found := false
		for _, p := range f.Check(t.Context()) {
			found = found || strings.HasPrefix(p.String(), tt.want)
		}
		if !found {
			t.Errorf("%s: %v, want %q", tt.name, f.Check(t.Context()), tt.want)
		}
	}
	sum, err := Build(sorted(file("a", "b")), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, sum.Size())
	if _, err := sum.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	b[superOffset+0x63] ^= 0x40 // and the checksum stays
	if _, err := Open(image.Bytes(b), int64(len(b))); err == nil || errors.Is(err, damage.ErrUnread) {
		t.Errorf("a changed superblock: %v", err)
	}
}

// TestCheckFlipForeign changes bytes of metadata of file systems that mke2fs makes.
// Either there is a problem, or e2fsck has nothing to report, either.
func TestCheckFlipForeign(t *testing.T) {
	src := t.TempDir()
	for i := range 40 {
		text := strings.Repeat(fmt.Sprint(i), i*i*10)
		if err := os.WriteFile(filepath.Join(src, fmt.Sprintf("file-%d", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(src, "a/b/c"), 0o700); err != nil {
		t.Fatal(err)
	}
	attr := t.TempDir()
	if err := os.WriteFile(filepath.Join(attr, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	setXattr(t, filepath.Join(attr, "file"), "user.large", strings.Repeat("value", 600))
	for _, args := range [][]string{
		{"-O", "inline_data"},
		{"-O", "bigalloc", "-b", "1024", "-C", "8192"},
		{"-O", "ea_inode"},
		{"-O", "mmp,orphan_file"},
	} {
		path := filepath.Join(t.TempDir(), "fs")
		from := src
		if args[1] == "ea_inode" {
			from = attr
		}
		tool(t, "mke2fs", append(append([]string{"-q", "-t", "ext4", "-J", "size=1", "-N", "128", "-d", from}, args...), path, "6M")...)
		repair(t, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipMetadata(t, strings.Join(args, " "), b)
	}
}

// flipMetadata changes bytes that are not zero, one at a time.
func flipMetadata(t *testing.T, name string, b []byte) {
	t.Helper()
	var places []int
	for at := superOffset; at < len(b); at++ {
		if b[at] != 0 {
			places = append(places, at)
		}
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for range *flips / 5 {
		at, change := places[rnd.IntN(len(places))], byte(1+rnd.IntN(255))
		if rnd.IntN(2) == 0 {
			at = places[rnd.IntN(min(len(places), 3000))] // where metadata is denser
		}
		b[at] ^= change
		if f, err := Open(image.Bytes(b), int64(len(b))); err == nil && len(f.Check(t.Context())) == 0 {
			if out := complaint(t, b); out != "" {
				t.Errorf("%s: byte %#x changed by %#x: e2fsck says\n%s", name, at, change, out)
			}
		}
		b[at] ^= change
	}
}
