// SPDX-License-Identifier: MPL-2.0

package record

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What the layers below say is known of files that have no record, and what a step
// records counts more.
func TestPreload(t *testing.T) {
	root := t.TempDir()
	if err := unix.Setxattr(root, "user.x", nil, 0); errors.Is(err, unix.ENOTSUP) {
		t.Fatal("the file system of the directory for tests has no extended attributes of users")
	}
	at := func(name string) string { return filepath.Join(root, name) }
	for _, err := range []error{
		os.Mkdir(at("d"), 0o755), os.WriteFile(at("d/f"), nil, 0o644), os.Symlink("d", at("l")), unix.Mkfifo(at("p"), 0o600),
		os.WriteFile(at("n"), nil, 0o600), os.WriteFile(at("r"), nil, 0o644), os.Link(at("r"), at("h")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	headers := func(f func(*tar.Header) error) error {
		for _, h := range []*tar.Header{
			{Name: "d/", Typeflag: tar.TypeDir, Uid: 1, Gid: 2},
			{Name: "d/f", Uid: 3},
			{Name: "l", Typeflag: tar.TypeSymlink, Uid: 4, Gid: 4},
			{Name: "p", Typeflag: tar.TypeFifo, Gid: 5},
			{Name: "n", Typeflag: tar.TypeChar, Uid: 6, Devmajor: 1, Devminor: 9},
			{Name: "r", Typeflag: tar.TypeReg},
			{Name: "h", Typeflag: tar.TypeLink, Linkname: "r", Uid: 8},
			{Name: "gone", Uid: 9},
			{Name: "l/f", Uid: 10},
			{Name: "../d", Uid: 11},
			{Name: "d/f/x", Uid: 12},
			{Name: "r", Uid: 13},
			{Name: "r"},
		} {
			if err := f(h); err != nil {
				return err
			}
		}
		return nil
	}
	for _, overlay := range []bool{false, true} {
		table, err := OpenTable(filepath.Join(t.TempDir(), "journal"))
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		if err := table.Preload(root, headers, overlay); err != nil {
			t.Fatal(err)
		}
		want := map[string]Owner{
			"d": {UID: 1, GID: 2}, "d/f": {UID: 3}, "l": {UID: 4, GID: 4}, "p": {GID: 5}, "n": {UID: 6, Kind: Char, Major: 1, Minor: 9}, "r": {}, "h": {},
		}
		compare := func() {
			t.Helper()
			got := map[string]Owner{}
			for name := range want {
				info, err := table.Stat(unix.AT_FDCWD, at(name))
				if err != nil {
					t.Fatal(err)
				}
				got[name] = info.Owner
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Errorf("overlay %v (-got +want):\n%s", overlay, diff)
			}
		}
		compare()
		for name, o := range map[string]Owner{"d/f": {}, "l": {UID: 70}, "p": {}, "r": {UID: 71}} {
			fd, err := unix.Open(at(name), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(table.Write(fd, o), unix.Close(fd)); err != nil {
				t.Fatal(err)
			}
			want[name] = o
		}
		want["h"] = want["r"]
		compare()
		if info, err := table.Stat(unix.AT_FDCWD, at("n")); err != nil || info.Mode != unix.S_IFCHR|0o600 {
			t.Errorf("the device is %o, %v", info.Mode, err)
		}
		for _, name := range []string{"d/f", "r"} {
			if err := unix.Removexattr(at(name), Attr); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An attribute that no step may set is not told, and one that is kept under another name
// is told with its own.
func TestXattrs(t *testing.T) {
	f := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(f, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{"user.a": "1", Attr: "5:6:0644:file", FakePrefix + "trusted.x": "2", "user.overlay.opaque": "y", FakePrefix + ACLAccess: "ids"} {
		if err := unix.Setxattr(f, name, []byte(v), 0); err != nil {
			t.Fatal(err)
		}
	}
	table, err := OpenTable(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	info, err := table.Stat(unix.AT_FDCWD, f)
	want := Info{Owner: Owner{UID: 5, GID: 6}, Mode: unix.S_IFREG | 0o644, Xattrs: map[string][]byte{"user.a": []byte("1"), "trusted.x": []byte("2")}}
	if diff := cmp.Diff(info, want); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
}

// What one process records of a link, another one that has the journal open sees, and a
// record that says nothing again, too.
func TestSharedJournal(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "l")
	if err := os.Symlink("x", link); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(link, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var tables [2]*Table
	for i := range tables {
		if tables[i], err = OpenTable(filepath.Join(dir, "journal")); err != nil {
			t.Fatal(err)
		}
		defer tables[i].Close()
	}
	for i, o := range []Owner{{UID: 3, GID: 4}, {UID: 5}, {}, {GID: 6}} {
		if err := tables[i%2].Write(fd, o); err != nil {
			t.Fatal(err)
		}
		for _, at := range tables {
			if got, _, err := at.Of(fd); got != o || err != nil {
				t.Errorf("%d: %v, %v, want %v", i, got, err, o)
			}
		}
	}
	// Half a line, as a crash leaves it, is not taken for one.
	if _, err := tables[0].journal.WriteString("1 2"); err != nil {
		t.Fatal(err)
	}
	if got, _, err := tables[1].Of(fd); got != (Owner{GID: 6}) || err != nil {
		t.Errorf("with half a line: %v, %v", got, err)
	}
}

// The ids of a list that the namespace has not are kept, and told.
func TestKeptACL(t *testing.T) {
	f := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(f, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	entry := func(tag, perm uint16, id uint32) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, tag), perm), id)
	}
	none := ^uint32(0)
	list := slices.Concat([]byte{2, 0, 0, 0}, entry(1, 6, none), entry(2, 4, 33), entry(4, 4, none), entry(8, 4, 100), entry(16, 4, none), entry(32, 4, none))
	if err := SetACL(f, ACLAccess, list); err != nil {
		t.Fatal(err)
	}
	stored, err := get(f, ACLAccess)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ACL(f, ACLAccess, stored)
	if diff := cmp.Diff(got, list); diff != "" || err != nil || cmp.Equal(stored, list) {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
}
