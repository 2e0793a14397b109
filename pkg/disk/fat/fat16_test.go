// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

func TestSizes16(t *testing.T) {
	tr := mk(map[string]string{"f": strings.Repeat("y", 100000), "d/g": "z", "d/e/h": "u"})
	for _, size := range []int64{3 << 20, 3<<20 + 700, 5 << 20, 9 << 20, 100<<20 + 511, 128<<20 + 5120, 2 << 30, 4<<30 - 1<<20} {
		m, err := Build(tr, Options{Size: size, Bits: 16})
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		fsck(t, disktest.Save(t, m, 1))
	}
}

func TestMinSize16(t *testing.T) {
	for _, n := range []int64{0, 2 << 20, 6 << 20, 7 << 20, 8 << 20, 100 << 20, 126 << 20, 128 << 20, 300 << 20, 3 << 30} {
		tr := &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir}, {Path: "f", Mode: tree.Regular, Size: n, Content: zeros{}}}}
		size, err := MinSize(tr, Options{Label: "L", Bits: 16})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Build(tr, Options{Size: size, Label: "L", Bits: 16}); err != nil {
			t.Errorf("%d bytes in MinSize %d: %v", n, size, err)
		}
		if _, err := Build(tr, Options{Size: size - 1<<20, Label: "L", Bits: 16}); err == nil {
			t.Errorf("%d bytes fit less than MinSize %d", n, size)
		}
	}
}

func TestErrors16(t *testing.T) {
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("a long name %d", i)] = ""
	}
	if _, err := Build(mk(many), Options{Size: 40 << 20, Bits: 16}); !errors.Is(err, ErrRoot) || !strings.Contains(err.Error(), "entries of 32 bytes, it has room for 512") {
		t.Errorf("full root directory: %v", err)
	}
	if _, err := Build(mk(nil), Options{Size: 2 << 20, Bits: 16}); err == nil || err.Error() != "2097152 bytes are too few for FAT16, which needs at least 3 MiB" {
		t.Errorf("too small: %v", err)
	}
	if _, err := Build(mk(nil), Options{Size: 4 << 30, Bits: 16}); !errors.Is(err, ErrTooBig16) {
		t.Errorf("too large: %v", err)
	}
	if _, err := Build(mk(nil), Options{Size: 40 << 20, Bits: 12}); err == nil {
		t.Error("FAT12 was made")
	}
	big := &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir}, {Path: "f", Mode: tree.Regular, Size: 50 << 20, Content: zeros{}}}}
	_, err := Build(big, Options{Size: 40 << 20, Bits: 16})
	if got := (*SpaceError)(nil); !errors.As(err, &got) || got.Need != 50<<20 || got.MinSize != 51<<20 {
		t.Errorf("got %+v", err)
	}
	big.Entries[1].Size = 4<<30 - 1
	if _, err := MinSize(big, Options{Bits: 16}); !errors.Is(err, ErrTooBig16) {
		t.Errorf("too large a file: %v", err)
	}
}
