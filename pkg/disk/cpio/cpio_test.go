// SPDX-License-Identifier: MPL-2.0

package cpio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// member is a member of a test's archive; names and sizes that are not given are
// derived from the content.
type member struct {
	name                  string
	mode, ino, links, uid uint32
	mtime, check          uint32
	major, minor          uint32
	content               string
	size, nameSize        int64
	magic                 string
}

func (m member) put(b *bytes.Buffer) {
	if m.magic == "" {
		m.magic = magicNewc
	}
	if m.size == 0 {
		m.size = int64(len(m.content))
	}
	if m.nameSize == 0 {
		m.nameSize = int64(len(m.name)) + 1
	}
	b.WriteString(m.magic)
	for _, n := range []uint32{m.ino, m.mode, m.uid, m.uid, max(m.links, 1), m.mtime, uint32(m.size), 0, 0, m.major, m.minor, uint32(m.nameSize), m.check} {
		fmt.Fprintf(b, "%08x", n)
	}
	b.WriteString(m.name + "\x00")
	b.Write(make([]byte, -b.Len()&3))
	b.WriteString(m.content)
	b.Write(make([]byte, -b.Len()&3))
}

func archiveOf(members ...member) []byte {
	var b bytes.Buffer
	for _, m := range append(members, member{name: trailer}) {
		m.put(&b)
	}
	b.Write(make([]byte, -b.Len()&511))
	return b.Bytes()
}

func readBytes(t testing.TB, b []byte) (*tree.Tree, error) {
	t.Helper()
	return Read(t.Context(), bytes.NewReader(b), int64(len(b)), 0, 2)
}

// lines are the entries of a tree.
func lines(t testing.TB, tr *tree.Tree) []string {
	t.Helper()
	var out []string
	for _, e := range tr.Entries {
		s := fmt.Sprintf("%s %o %d:%d @%d", e.Path, e.Mode, e.UID, e.GID, e.Mtime)
		if e.Hardlink != "" {
			s = e.Path + " = " + e.Hardlink
		}
		if e.Link != "" {
			s += " -> " + e.Link
		}
		if e.Rdev != (tree.Device{}) {
			s += fmt.Sprint(" ", e.Rdev)
		}
		if e.Size > 0 {
			b, err := io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
			if err != nil {
				t.Fatal(err)
			}
			s += fmt.Sprintf(" %.20q", b)
		}
		out = append(out, s)
	}
	return out
}

const (
	reg = tree.Regular | 0o644
	dir = tree.Dir | 0o755
	lnk = tree.Symlink | 0o777
)

func TestRead(t *testing.T) {
	first := archiveOf(
		member{name: ".", mode: tree.Dir | 0o700, links: 9, mtime: 5},
		member{name: "dev/console", mode: tree.Char | 0o600, major: 5, minor: 1},
		member{name: "dev/sock", mode: tree.Socket | 0o755},
		member{name: "dev/fifo", mode: tree.FIFO | 0o600},
		member{name: "./a", mode: reg, ino: 7, links: 3, uid: 4000000000},
		member{name: "/b", mode: reg, ino: 7, links: 3, uid: 4000000000},
		member{name: "usr/bin", mode: dir},
		member{name: "bin", mode: lnk, content: "usr/bin"},
		member{name: "bin/sh", mode: reg, content: "through the link", mtime: 0xffffffff},
		member{name: "z", mode: reg, ino: 7, links: 3, uid: 4000000000, content: "linked"},
		member{name: "twice", mode: reg, content: "old"},
		member{name: "twice", mode: reg, content: "new"},
		member{name: "l1", mode: lnk, ino: 8, links: 2, content: "a"},
		member{name: "l2", mode: lnk, ino: 8, links: 2, content: "a"},
		member{name: "sums", mode: reg, magic: magicCRC, content: "ab\xff", check: 'a' + 'b' + 0xff},
	)
	// The second one has inodes of its own, and replaces a file.
	second := archiveOf(member{name: "y", mode: reg, ino: 7, links: 2, content: "other"}, member{name: "dev/fifo", mode: reg, content: "file"})
	tr, err := readBytes(t, append(first, second...))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		" 40700 0:0 @5",
		`a 100644 4000000000:4000000000 @0 "linked"`,
		"b = a",
		"bin 120777 0:0 @0 -> usr/bin",
		"dev 40755 0:0 @0",
		"dev/console 20600 0:0 @0 {5 1}",
		`dev/fifo 100644 0:0 @0 "file"`,
		"dev/sock 140755 0:0 @0",
		"l1 120777 0:0 @0 -> a",
		"l2 = l1",
		`sums 100644 0:0 @0 "ab\xff"`,
		`twice 100644 0:0 @0 "new"`,
		"usr 40755 0:0 @0",
		"usr/bin 40755 0:0 @0",
		`usr/bin/sh 100644 0:0 @4294967295 "through the link"`,
		`y 100644 0:0 @0 "other"`,
		"z = a",
	}
	if diff := cmp.Diff(lines(t, tr), want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
}

// TestHostile has archives that cpio would not write.
func TestHostile(t *testing.T) {
	whole := archiveOf(member{name: "a", mode: reg, content: "content"})
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"up", archiveOf(member{name: "a/../../b", mode: reg}), `member "a/../../b" at byte 0: ".." in a name`},
		{"below a file", archiveOf(member{name: "a", mode: reg}, member{name: "a/b", mode: reg}), `"a" is not a directory`},
		{"a link in a circle", archiveOf(member{name: "a", mode: lnk, content: "a"}, member{name: "a/b", mode: reg}), "symbolic link"},
		{"a huge name", archiveOf(member{name: "a", mode: reg, nameSize: 0xffffffff}), "at byte 0: a name of 4294967295 bytes"},
		{"no name", archiveOf(member{name: "a", mode: reg, nameSize: -1 << 32}), "a name of 0 bytes"},
		{"a long part", archiveOf(member{name: strings.Repeat("x", 300), mode: reg}), "name too long"},
		{"a name without NUL", archiveOf(member{name: "abcd", mode: reg, nameSize: 3}), `the name "abc" does not end with a NUL`},
		{"NUL in a name", archiveOf(member{name: "a\x00b", mode: reg}), "NUL in a name"},
		{"a huge content", archiveOf(member{name: "a", mode: reg, size: 0xffffffff}), `member "a" at byte 0 has 4294967295 bytes, and the archive ends before them`},
		{"a huge link", archiveOf(member{name: "a", mode: lnk, content: strings.Repeat("x", 5000)}), "a symbolic link of 5000 bytes"},
		{"an empty link", archiveOf(member{name: "a", mode: lnk}), `a symbolic link to ""`},
		{"no kind", archiveOf(member{name: "a", mode: 0o644}), "unknown type, mode 0644"},
		{"a large mode", archiveOf(member{name: "a", mode: 1<<16 | reg}), "out of range"},
		{"no owner", archiveOf(member{name: "a", mode: reg, uid: 0xffffffff}), "owner 4294967295:4294967295 out of range"},
		{"two kinds", archiveOf(member{name: "a", mode: reg, ino: 1, links: 2}, member{name: "b", mode: lnk, ino: 1, links: 2, content: "a"}), `it is another name of "a", and of another kind`},
		{"the root as a file", archiveOf(member{name: ".", mode: reg}), "the root must be a directory"},
		{"a wrong sum", archiveOf(member{name: "a", mode: reg, magic: magicCRC, content: "ab", check: 1}), `member "a" at byte 0: not a readable cpio archive: the sum of its bytes is 000000c3, and 00000001 is written with it`},
		{"a digit", bytes.Replace(whole, []byte("07070100"), []byte("070701-1"), 1), `at byte 0: "-1000000" is not a hexadecimal number`},
		{"another magic", bytes.Replace(archiveOf(member{name: "a", mode: reg}, member{name: "b", mode: reg}), []byte(magicNewc), []byte("070709"), 2), "older formats"},
		{"cut in the header", whole[:50], "it ends at byte 50, within a member"},
		{"no last member", whole[:len("070701")+13*8+2+8], "it ends at byte"},
		{"nothing", nil, "it ends at byte 0"},
		{"a compressed one behind", append(bytes.Clone(whole), "\x1f\x8b\x08 packed"...), "something that is not one follows it at byte 512; an archive of which a part is compressed"},
		{"odc", []byte(magicODC + strings.Repeat("0", 200)), "one of the older formats; write it with cpio -o -H newc"},
	} {
		tr, err := readBytes(t, tt.b)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		if tr != nil {
			t.Errorf("%s: a part of a tree", tt.name)
		}
	}
	if _, err := readBytes(t, whole[:60]); !errors.Is(err, ErrFormat) {
		t.Errorf("%v is not ErrFormat", err)
	}
}

// TestOutside follows links of the archive only inside its tree.
func TestOutside(t *testing.T) {
	tr, err := readBytes(t, archiveOf(member{name: "tmp", mode: dir}, member{name: "a", mode: lnk, content: "../../../tmp"}, member{name: "a/b", mode: reg, content: "x"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(t, tr)[1:], []string{"a 120777 0:0 @0 -> ../../../tmp", "tmp 40755 0:0 @0", `tmp/b 100644 0:0 @0 "x"`}); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
}

// TestForeign reads archives written by GNU cpio, and compares them with the
// directory.
func TestForeign(t *testing.T) {
	path := tooltest.Find(t, "cpio")
	top := t.TempDir()
	for name, content := range map[string]string{"etc/hostname": "node\n", "empty": "", "a/big": strings.Repeat("x", 200000), "sparse": "a" + strings.Repeat("\x00", 200000)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Link(filepath.Join(top, "a/big"), filepath.Join(top, "z")), os.Link(filepath.Join(top, "a/big"), filepath.Join(top, "b")),
		os.Link(filepath.Join(top, "empty"), filepath.Join(top, "etc/empty")), os.Symlink("../a/big", filepath.Join(top, "etc/link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"newc", "crc"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "find . | "+path+" --quiet -o -H "+format+" -R 1234:70000")
		cmd.Dir = top
		b, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, err := readBytes(t, b)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		d, err := tree.OpenDir(top)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		want, err := d.Read(t.Context(), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Entries {
			e := &want.Entries[i]
			if e.Hardlink == "" {
				e.UID, e.GID, e.MtimeNsec = 1234, 70000, 0
			}
		}
		if diff := cmp.Diff(lines(t, got), lines(t, want)); diff != "" {
			t.Errorf("%s (-got +directory):\n%s", format, diff)
		}
		for i, e := range got.Entries {
			if diff := cmp.Diff(e.Data, want.Entries[i].Data); diff != "" {
				t.Errorf("%s: %s has other holes (-got +directory):\n%s", format, e.Path, diff)
			}
		}
	}
}

// FuzzRead expects an error or a sorted tree, whatever the bytes are, and the same
// again.
func FuzzRead(f *testing.F) {
	f.Add(archiveOf(member{name: ".", mode: dir}, member{name: "a", mode: reg, ino: 1, links: 2}, member{name: "b", mode: reg, ino: 1, links: 2, content: "x"}))
	f.Add(archiveOf(member{name: "l", mode: lnk, content: "/b"}, member{name: "l/c", mode: reg, content: "x", magic: magicCRC, check: 'x'}))
	f.Add(append(archiveOf(member{name: "d", mode: tree.Block | 0o600, major: 8}), archiveOf(member{name: "d", mode: dir})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readBytes(t, b)
		if err != nil {
			if got != nil {
				t.Error("a tree beside an error")
			}
			return
		}
		for i := range got.Entries {
			e := &got.Entries[i]
			if i > 0 && tree.Compare(got.Entries[i-1].Path, e.Path) >= 0 || e.Hardlink != "" && tree.Compare(e.Hardlink, e.Path) >= 0 {
				t.Fatalf("%q is out of order", e.Path)
			}
		}
		again, err := readBytes(t, b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lines(t, again), lines(t, got)); diff != "" {
			t.Errorf("the second time (-got +first):\n%s", diff)
		}
	})
}
