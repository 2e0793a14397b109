// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"

	"github.com/google/go-cmp/cmp"
)

// TestDiffUnreadable compares a file system with one of the same kind that cannot
// be read, in both orders, and an unreadable one with itself.
func TestDiffUnreadable(t *testing.T) {
	good := bytesOf(t, compose(t, hybrid(t, root())))
	at := int(looked(t, bytesDevice{good}).volumes[2].Start)
	bad := bytes.Clone(good)
	bad[at+1024+0x62] |= 0x40 // a feature that does not exist
	a, b := looked(t, bytesDevice{good}), looked(t, bytesDevice{bad})
	for _, pair := range [][2]*Disk{{a, b}, {b, a}} {
		got := differences(t, pair[0], pair[1])
		if len(got) != 2 || !strings.HasPrefix(got[0], "partition root: whether its files can be read differs") || !strings.HasPrefix(got[1], "partition root: content differs") {
			t.Errorf("got %q", got)
		}
	}
	if got := differences(t, b, looked(t, bytesDevice{bytes.Clone(bad)})); len(got) > 0 {
		t.Errorf("the same twice: %q", got)
	}
	bad[at+20*mib] ^= 1
	if got := differences(t, b, looked(t, bytesDevice{bytes.Clone(good)})); len(got) == 0 {
		t.Error("other content: nothing")
	}
}

// TestDiffOutside changes single bytes outside partitions: before the first,
// between two, after the last, and where file systems leave space for boot code.
func TestDiffOutside(t *testing.T) {
	card := bytesOf(t, compose(t, board(t)))
	parts := looked(t, bytesDevice{card}).table.Parts
	room := bytes.Clone(card)
	room = append(room, make([]byte, mib)...)
	for _, tt := range []struct {
		name string
		disk []byte
		at   int
		want string
	}{
		{"boot code", card, 100, "disk: boot code differs"},
		{"u-boot", card, 9000, "disk: content outside of partitions differs from byte 9000 on"},
		{"the first gap's end", card, int(parts[0].Start) - 1, "disk: content outside of partitions differs from byte 1048575 on"},
		{"behind the last", room, len(room) - 1, "disk: content outside of partitions differs from byte "},
		{"FAT's boot code", card, int(parts[0].Start) + 200, "partition CAROSBOOT: boot code differs"},
		{"ext4's boot code", card, int(parts[1].Start) + 5, "partition CAROSROOT: boot code differs"},
	} {
		other := bytes.Clone(tt.disk)
		other[tt.at] ^= 0x5A
		got := differences(t, looked(t, bytesDevice{tt.disk}), looked(t, bytesDevice{other}))
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestGaps computes the parts outside partitions and tables.
func TestGaps(t *testing.T) {
	s := hybrid(t, root())
	s.Partitions[1].Size = bytesize.Partition{Bytes: 60 << 20}
	d := looked(t, bytesDevice{bytesOf(t, compose(t, s))})
	got := gaps(append(slices.Clone(d.taken()), d.taken()...), d.src.Size())
	want := [][2]int64{{34 * 512, mib - 34*512}, {102 * mib, 26*mib - 33*512}}
	var have [][2]int64
	for _, s := range got {
		have = append(have, [2]int64{s.Start, s.Size})
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}
