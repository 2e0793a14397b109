// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCanonical(t *testing.T) {
	content := func(s string) Entry {
		return Entry{Path: "f", Mode: Regular | 0o644, Size: int64(len(s)), Content: strings.NewReader(s)}
	}
	zero := strings.Repeat("\x00", 3*HoleSize)
	small := content("x" + strings.Repeat("\x00", 5000))
	small.Data = []Range{{Len: 1}}
	blocks := content("x" + zero + "y")
	blocks.Data = []Range{{Len: 4096}, {Off: 3 * HoleSize, Len: 2}}
	solid := content("x" + zero + zero + "y")
	in := &Tree{Entries: []Entry{
		{Mode: Dir | 0o755, Size: 4096, Mtime: 9, MtimeNsec: 1},
		{Path: "c", Mode: Char | 0o600, Rdev: Device{1, 3}, Xattrs: []Xattr{{Name: "security.selinux", Value: []byte("l")}, {Name: "user.no", Value: []byte("x")}}},
		{Path: "d", Hardlink: "c"},
		small, blocks, solid, content(zero),
		{Path: "l", Mode: Symlink | 0o700, Link: "f", Mtime: 3},
		{Path: "m", Hardlink: "l"},
		{Path: "x", Mode: Regular | 0o644, Xattrs: []Xattr{{Name: "user.overlay.opaque", Value: []byte("y")}, {Name: "user.x", Value: []byte("y")}}},
	}}
	for i := range in.Entries {
		if in.Entries[i].Path == "f" {
			in.Entries[i].Path = "f" + string(rune('0'+i))
		}
	}
	got, err := in.Canonical(t.Context(), 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	label := []Xattr{{Name: "security.selinux", Value: []byte("l")}}
	want := []Entry{
		{Mode: Dir | 0o755, Mtime: 5},
		{Path: "c", Mode: Char | 0o600, Rdev: Device{1, 3}, Xattrs: label},
		{Path: "d", Mode: Char | 0o600, Rdev: Device{1, 3}, Xattrs: label},
		{Path: "f3", Mode: Regular | 0o644, Size: small.Size},
		{Path: "f4", Mode: Regular | 0o644, Size: blocks.Size, Data: []Range{{0, HoleSize}, {3 * HoleSize, 2}}},
		{Path: "f5", Mode: Regular | 0o644, Size: solid.Size, Data: []Range{{0, HoleSize}, {6 * HoleSize, 2}}},
		{Path: "f6", Mode: Regular | 0o644, Size: 3 * HoleSize, Data: []Range{}},
		{Path: "l", Mode: Symlink | 0o777, Link: "f", Mtime: 3},
		{Path: "m", Hardlink: "l"},
		{Path: "x", Mode: Regular | 0o644, Xattrs: []Xattr{{Name: "user.x", Value: []byte("y")}}},
	}
	for i := range got.Entries {
		got.Entries[i].Content = nil
	}
	if diff := cmp.Diff(got.Entries, want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
	if in.Entries[2].Hardlink != "c" || in.Entries[0].Size != 4096 {
		t.Error("the tree itself was changed")
	}
}

type broken struct{ err error }

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.err }

// TestCanonicalReads finds contents that cannot be read, and entries that an
// archive cannot contain.
func TestCanonicalReads(t *testing.T) {
	lost := errors.New("lost")
	for _, tt := range []struct {
		e    Entry
		want string
	}{
		{Entry{Path: "f", Mode: Regular, Size: 1, Content: broken{lost}}, "/f: lost"},
		{Entry{Path: "f", Mode: Regular, Size: 1, Content: broken{io.EOF}}, "/f: unexpected EOF"},
		{Entry{Path: "f", Mode: Regular, Size: 2, Content: strings.NewReader("x")}, "/f: unexpected EOF"},
		{Entry{Path: "f", Mode: Symlink}, `/f: a symbolic link to ""`},
		{Entry{Path: "f", Mode: 0o644}, "/f: unknown type"},
		{Entry{Path: "f", Mode: Regular, UID: 0xffffffff}, "/f: owner 4294967295:0 out of range"},
		{Entry{Path: "f", Mode: Regular, Xattrs: []Xattr{{Name: capability, Value: []byte("x")}}}, "/f: security.capability of 1 bytes"},
		{Entry{Path: "f", Hardlink: "g"}, "/f: hard link to /g, which is not there"},
	} {
		in := &Tree{Entries: []Entry{{Mode: Dir}, tt.e}}
		if got, err := in.Canonical(t.Context(), 0, 1); err == nil || !strings.HasPrefix(err.Error(), tt.want) || got != nil {
			t.Errorf("%+v: got %v, want %s", tt.e, err, tt.want)
		}
	}
}
