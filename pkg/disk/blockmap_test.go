// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/bmap"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// checkMap: the block map of a raw disk lists exactly the blocks of its extents.
func checkMap(t *testing.T, m *image.Image, raw string) {
	t.Helper()
	f, err := os.Open(raw + ".bmap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := bmap.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDisk(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := b.Verify(d); err != nil || b.Size != m.Size() {
		t.Errorf("block map of %d bytes: %v", b.Size, err)
	}
	next := int64(0)
	for _, r := range append(b.Ranges, bmap.Range{First: b.Blocks()}) {
		if n := m.NextExtent(next * bmap.BlockSize); n < m.Size() && n/bmap.BlockSize != r.First {
			t.Errorf("block %d is not mapped", n/bmap.BlockSize)
		}
		next = r.Last + 1
	}
}

// TestBmaptool copies every raw form with its map, and detects a changed byte.
func TestBmaptool(t *testing.T) {
	dir, m := t.TempDir(), smallImage(t)
	if err := WriteAll(t.Context(), outputs(dir), m, testOptions()); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "d.raw"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d.raw", "d.raw.gz", "d.img.zst", "d.raw.xz"} {
		to := filepath.Join(t.TempDir(), "copy")
		path := filepath.Join(dir, name)
		tooltest.Run(t, "bmaptool", "copy", "--bmap", path+".bmap", path, to)
		if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the copy has %d bytes and differs, %v", name, len(got), err)
		}
	}
	bad := bytes.Clone(want)
	bad[9*mib+70] ^= 1
	path := filepath.Join(dir, "bad.raw")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, "bmaptool", "copy", "--bmap", filepath.Join(dir, "d.raw.bmap"), path, filepath.Join(dir, "copy"))
	if err == nil || !strings.Contains(out, "checksum mismatch") {
		t.Errorf("a changed byte was not found: %v\n%s", err, out)
	}
}

// TestMapOnUsedCard copies only the mapped blocks onto a medium full of other data:
// the file systems are intact all the same.
func TestMapOnUsedCard(t *testing.T) {
	s := hybrid()
	s.Partitions = append(s.Partitions[:1],
		Partition{Name: "boot", FS: "fat16", Label: "BOOT", Size: bytesize.Partition{Bytes: 20 << 20}, Tree: esp()},
		Partition{Name: "root", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Rest: true}, Tree: root()},
	)
	l := compose(t, s)
	path := filepath.Join(t.TempDir(), "d.raw")
	if err := Write(t.Context(), path, "", l.Image, WriteOptions{BlockMap: true}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path + ".bmap")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := bmap.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	if m.Mapped() > m.Blocks()/2 {
		t.Errorf("%d of %d blocks are mapped", m.Mapped(), m.Blocks())
	}
	card := bytes.Repeat([]byte("rubbish!"), int(m.Size/8))
	for _, r := range m.Ranges {
		if _, err := l.Image.ReadAt(card[r.First*m.BlockSize:min((r.Last+1)*m.BlockSize, m.Size)], r.First*m.BlockSize); err != nil {
			t.Fatal(err)
		}
	}
	for i, check := range [][]string{nil, {"fsck.vfat", "-n"}, {"fsck.vfat", "-n"}, {"e2fsck", "-fn"}} {
		if check == nil {
			continue
		}
		p := l.Partitions[i]
		path := filepath.Join(t.TempDir(), "partition")
		if err := os.WriteFile(path, card[p.Start:p.Start+p.Size], 0o600); err != nil {
			t.Fatal(err)
		}
		tooltest.Run(t, check[0], append(check[1:], path)...)
		if check[0] == "e2fsck" {
			checkZeroed(t, path)
		}
	}
}

// checkZeroed: the journal contains no old transaction that a crash would replay,
// and the inode table no old inode.
func checkZeroed(t *testing.T, ext4 string) {
	t.Helper()
	journal := filepath.Join(t.TempDir(), "journal")
	tooltest.Run(t, "debugfs", "-R", "dump <8> "+journal, ext4)
	if b, err := os.ReadFile(journal); err != nil || len(b) < mib || bytes.Contains(b, []byte("rubbish!")) {
		t.Errorf("a journal of %d bytes with rubbish in it, %v", len(b), err)
	}
	if out := tooltest.Run(t, "debugfs", "-R", "inode_dump <1000>", ext4); strings.Contains(out, "checksum does not match") || !strings.Contains(out, "0000 0000") {
		t.Errorf("an inode that is not in use:\n%s", out)
	}
}
