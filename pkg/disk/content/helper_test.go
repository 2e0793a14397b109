// SPDX-License-Identifier: MPL-2.0

package content

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// tool runs a foreign program in a directory, with an input.
func tool(t testing.TB, dir, stdin, name string, args ...string) string {
	t.Helper()
	path := tooltest.Find(t, name)
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var out, diag bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &out, &diag
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%.3000s", name, args, err, diag.String())
	}
	return out.String()
}

const epoch = 1700000000

// file is a file that every format has to contain.
type file struct {
	tar.Header
	content string
}

// sample is a small system, with all kinds of files that a tar archive can contain.
func sample() []file {
	dir := func(name string, mode int64, uid, gid int) file {
		return file{Header: tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: uid, Gid: gid}}
	}
	reg := func(name string, mode int64, uid, gid int, content string) file {
		return file{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Uid: uid, Gid: gid, Size: int64(len(content))}, content}
	}
	link := func(kind byte, name, to string) file {
		return file{Header: tar.Header{Typeflag: kind, Name: name, Linkname: to, Mode: 0o777}}
	}
	sparse := strings.Repeat("begin", 1000) + strings.Repeat("\x00", 300<<10) + strings.Repeat("end", 9000)
	suid := reg("./bin/su", 0o4755, 0, 0, "su")
	suid.PAXRecords = map[string]string{
		"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00" + strings.Repeat("\x00", 12),
		"SCHILY.xattr.user.note":           "kept",
	}
	device := func(kind byte, name string, mode, major, minor int64) file {
		return file{Header: tar.Header{Typeflag: kind, Name: name, Mode: mode, Gid: 5, Devmajor: major, Devminor: minor}}
	}
	return []file{
		dir("./", 0o755, 0, 0),
		dir("./bin/", 0o755, 0, 0),
		reg("./bin/busybox", 0o755, 0, 0, strings.Repeat("\x7fELF program", 9000)),
		link(tar.TypeSymlink, "./bin/sh", "busybox"),
		suid,
		dir("./dev/", 0o755, 0, 0),
		device(tar.TypeChar, "./dev/console", 0o600, 5, 1),
		device(tar.TypeBlock, "./dev/mmcblk9p8", 0o660, 179, 300),
		{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "./dev/initctl", Mode: 0o600}},
		dir("./etc/", 0o755, 0, 0),
		reg("./etc/empty", 0o644, 0, 0, ""),
		reg("./etc/os-release", 0o644, 0, 0, "ID=caros\n"),
		reg("./etc/shadow", 0o640, 0, 42, "root:*:\n"),
		dir("./home/", 0o755, 0, 0),
		dir("./home/user/", 0o2750, 1234, 70000),
		reg("./home/user/notes", 0o600, 1234, 70000, "notes\n"),
		dir("./sbin/", 0o755, 0, 0),
		link(tar.TypeSymlink, "./sbin/init", "/bin/busybox"),
		dir("./tmp/", 0o1777, 0, 0),
		dir("./var/", 0o755, 0, 0),
		reg("./var/sparse", 0o644, 8, 8, sparse),
		dir("./zz/", 0o755, 0, 0),
		link(tar.TypeLink, "./zz/busybox", "./bin/busybox"),
		link(tar.TypeLink, "./zz/notes", "./home/user/notes"),
	}
}

func archiveOf(t testing.TB, files []file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, f := range files {
		h := f.Header
		h.Format, h.ModTime = tar.FormatPAX, time.Unix(epoch+int64(i), 0)
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read is the tree of a file with that content.
func read(t testing.TB, b []byte, o Options) (*tree.Tree, error) {
	t.Helper()
	s := Source{Name: "file", Content: bytes.NewReader(b), Size: int64(len(b)), Scratch: func() (*os.File, error) {
		f, err := os.CreateTemp(t.TempDir(), "scratch")
		if err == nil {
			t.Cleanup(func() { _ = f.Close() })
		}
		return f, err
	}}
	o.Jobs = 3
	return s.Tree(t.Context(), o)
}

// views are the entries of a tree with a checksum in place of their content;
// without what a format cannot store.
func views(t testing.TB, tr *tree.Tree, xattrs bool) []string {
	t.Helper()
	var out []string
	for _, e := range tr.Entries {
		sum := sha256.New()
		if e.Size > 0 {
			if _, err := io.Copy(sum, io.NewSectionReader(e.Content, 0, e.Size)); err != nil {
				t.Fatalf("%s: %v", e.Path, err)
			}
		}
		if !xattrs {
			e.Xattrs = nil
		}
		if len(e.Xattrs) == 0 {
			e.Xattrs = nil
		}
		out = append(out, fmt.Sprintf("%q -> %q %q %o %d:%d dev %v time %d.%09d size %d data %v xattrs %q sum %.8x", e.Path, e.Hardlink, e.Link, e.Mode, e.UID, e.GID, e.Rdev,
			e.Mtime, e.MtimeNsec, e.Size, e.Data, e.Xattrs, sum.Sum(nil)))
	}
	return out
}

func contentOf(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cpioOf is an archive in the format newc, as made by GNU cpio: of the names of a
// file, the last one has the content.
func cpioOf(files []file) []byte {
	var b bytes.Buffer
	clean := func(s string) string { return strings.Trim(strings.TrimPrefix(s, "./"), "/") }
	ino, links, last, of := map[string]int{}, map[string]int{}, map[string]int{}, map[string]file{}
	mtime := map[string]int{}
	for i, f := range files {
		name := clean(f.Name)
		if f.Typeflag == tar.TypeLink {
			name = clean(f.Linkname)
		} else {
			of[name], mtime[name] = f, epoch+i
			ino[name] = i + 1
		}
		links[name]++
		last[name] = i
	}
	member := func(name string, fields [13]int, content string) {
		b.WriteString("070701")
		fields[11] = len(name) + 1
		for _, n := range fields {
			fmt.Fprintf(&b, "%08X", uint32(n))
		}
		b.WriteString(name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.WriteString(content)
		b.Write(make([]byte, -b.Len()&3))
	}
	kinds := map[byte]int{tar.TypeReg: tree.Regular, tar.TypeDir: tree.Dir, tar.TypeSymlink: tree.Symlink, tar.TypeChar: tree.Char, tar.TypeBlock: tree.Block, tar.TypeFifo: tree.FIFO}
	for i, f := range files {
		name := clean(f.Name)
		first := name
		if f.Typeflag == tar.TypeLink {
			first = clean(f.Linkname)
		}
		f := of[first]
		content := ""
		if i == last[first] {
			content = f.content
		}
		if f.Typeflag == tar.TypeSymlink {
			content = f.Linkname
		}
		if name == "" {
			name = "."
		}
		member(name, [13]int{ino[first], kinds[f.Typeflag] | int(f.Mode), f.Uid, f.Gid, links[first], mtime[first], len(content), 8, 1, int(f.Devmajor), int(f.Devminor)}, content)
	}
	member("TRAILER!!!", [13]int{4: 1}, "")
	b.Write(make([]byte, -b.Len()&511))
	return b.Bytes()
}

// system is an ext4 file system that mke2fs makes from a directory. debugfs writes
// owners, modes, times, attributes and devices, since only the superuser could make
// such a directory.
func system(t testing.TB, files []file, kind string) string {
	t.Helper()
	dir, img := t.TempDir(), filepath.Join(t.TempDir(), "fs")
	var script strings.Builder
	set := func(path, field string, value any) {
		fmt.Fprintf(&script, "set_inode_field %s %s %v\n", path, field, value)
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(f.Name, "."), "/")
		if name == "" {
			name = "/"
		}
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		kind := map[byte]uint32{tar.TypeReg: tree.Regular, tar.TypeDir: tree.Dir, tar.TypeSymlink: tree.Symlink}[f.Typeflag]
		switch f.Typeflag {
		case tar.TypeReg:
			err = os.WriteFile(at, []byte(f.content), 0o644)
		case tar.TypeDir:
			err = os.MkdirAll(at, 0o755)
		case tar.TypeSymlink:
			err = os.Symlink(f.Linkname, at)
		case tar.TypeLink:
			if err := os.Link(filepath.Join(dir, f.Linkname), at); err != nil {
				t.Fatal(err)
			}
			continue
		case tar.TypeChar:
			kind = tree.Char
			fmt.Fprintf(&script, "cd %s\nmknod %s c %d %d\ncd /\n", filepath.Dir(name), filepath.Base(name), f.Devmajor, f.Devminor)
		case tar.TypeBlock:
			kind = tree.Block
			fmt.Fprintf(&script, "cd %s\nmknod %s b %d %d\ncd /\n", filepath.Dir(name), filepath.Base(name), f.Devmajor, f.Devminor)
		case tar.TypeFifo:
			kind = tree.FIFO
			fmt.Fprintf(&script, "cd %s\nmknod %s p\ncd /\n", filepath.Dir(name), filepath.Base(name))
		}
		if err != nil {
			t.Fatal(err)
		}
		set(name, "mode", fmt.Sprintf("%#o", kind|uint32(f.Mode)))
		set(name, "uid", f.Uid)
		set(name, "gid", f.Gid)
		for k, v := range f.PAXRecords {
			x := filepath.Join(t.TempDir(), "value")
			if err := os.WriteFile(x, []byte(v), 0o600); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&script, "ea_set -f %s %s %s\n", x, name, strings.TrimPrefix(k, "SCHILY.xattr."))
		}
	}
	tool(t, "", "", "mke2fs", "-q", "-t", kind, "-d", dir, img, "8M")
	// Later entries change the time of their directory.
	for i, f := range files {
		if f.Typeflag == tar.TypeLink {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(f.Name, "."), "/")
		if name == "" {
			name = "/"
		}
		set(name, "mtime", fmt.Sprintf("@%d", epoch+i))
		if kind == "ext4" {
			set(name, "mtime_extra", 0)
		}
	}
	list := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(list, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "", "debugfs", "-w", "-f", list, img)
	tool(t, "", "", "e2fsck", "-fy", img)
	return img
}
