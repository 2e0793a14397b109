// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// plain is a file system without checksums, in memory.
func plain(t testing.TB, entries ...tree.Entry) []byte {
	t.Helper()
	m, err := Build(sorted(entries...), Options{Compat: true, Time: 1700000000, Size: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func opened(t testing.TB, b []byte) *FS {
	t.Helper()
	f, err := Open(image.Bytes(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// findings are the problems that a check finds, one per line.
func findings(t testing.TB, b []byte) string {
	t.Helper()
	var lines []string
	for _, p := range opened(t, b).Check(t.Context()) {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// inodeOf is the part of b that contains an inode.
func inodeOf(t testing.TB, b []byte, ino uint32) []byte {
	t.Helper()
	f := opened(t, b)
	d, err := f.group(int64(ino-1) / int64(f.s.InodesPerGroup))
	if err != nil {
		t.Fatal(err)
	}
	at := d.inodeTable*f.block + int64(ino-1)%int64(f.s.InodesPerGroup)*f.inode
	return b[at : at+f.inode]
}

// TestCheckSharedBlocks: files may share blocks if the feature says so.
func TestCheckSharedBlocks(t *testing.T) {
	b := plain(t, file("a", "one"), file("b", "two"))
	copy(inodeOf(t, b, firstIno+1)[inodeBlock:], inodeOf(t, b, firstIno)[inodeBlock:][:60])
	if got := findings(t, b); !strings.Contains(got, "are in use elsewhere, too") {
		t.Errorf("without the feature: %s", got)
	}
	b[superOffset+0x65] |= roCompatSharedBlocks >> 8
	if got := findings(t, b); strings.Contains(got, "in use elsewhere") {
		t.Errorf("with the feature: %s", got)
	}
}

// TestCheckImagic: a file may be in no directory if the feature for that is set.
func TestCheckImagic(t *testing.T) {
	b := plain(t, file("a", "one"))
	n := inodeOf(t, b, firstIno)
	le.PutUint32(n[0x20:], le.Uint32(n[0x20:])|flagImagic)
	le.PutUint16(n[0x1a:], 7)
	if got := findings(t, b); !strings.Contains(got, "without the feature") || !strings.Contains(got, "has 1 names, and 7") {
		t.Errorf("without the feature: %s", got)
	}
	b[superOffset+0x5c] |= compatImagic
	if got := findings(t, b); got != "" {
		t.Errorf("with the feature: %s", got)
	}
}

// TestCheckFlags finds properties of an inode that require a feature which is not
// set.
func TestCheckFlags(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags uint32
		want  string
	}{
		{"content in itself", flagInline, "without the feature inline_data"},
		{"encrypted", flagEncrypted, "it is encrypted, without the feature"},
	} {
		b := plain(t, file("a", "one"))
		n := inodeOf(t, b, firstIno)
		le.PutUint32(n[0x20:], le.Uint32(n[0x20:])|tt.flags)
		if got := findings(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	b := plain(t, file("a", "one"))
	le.PutUint32(inodeOf(t, b, firstIno)[0x04:], 1) // of 3 bytes in one block: fewer are not an error
	if got := findings(t, b); got != "" {
		t.Errorf("a shorter file: %s", got)
	}
	b = plain(t, file("a", strings.Repeat("x", 3*blockSize)))
	n := inodeOf(t, b, firstIno)
	le.PutUint32(n[0x04:], 1)
	if got := findings(t, b); !strings.Contains(got, "and has block 2") {
		t.Errorf("blocks behind the end: %s", got)
	}
	le.PutUint32(n[0x20:], le.Uint32(n[0x20:])|flagVerity)
	if got := findings(t, b); strings.Contains(got, "and has block 2") {
		t.Errorf("a hash tree behind the end: %s", got)
	}
}

// TestCheckExtentStarts finds a node of extents that does not begin with the block
// that its parent states.
func TestCheckExtentStarts(t *testing.T) {
	e := holes("holes", 400)
	e.Data = e.Data[1:]
	b := plain(t, e)
	if got := findings(t, b); got != "" {
		t.Errorf("intact: %s", got)
	}
	root := inodeOf(t, b, firstIno)[inodeBlock:]
	if le.Uint32(root[extentSize:]) != 2 {
		t.Fatalf("the first node begins with block %d", le.Uint32(root[extentSize:]))
	}
	le.PutUint32(root[extentSize:], 0)
	if got := findings(t, b); !strings.Contains(got, "is said to begin with block 0, and begins with 2") {
		t.Errorf("got %s", got)
	}
}

// TestCheckAttributes finds values that overlap and wrong hashes.
func TestCheckAttributes(t *testing.T) {
	e := file("a", "x")
	e.Xattrs = []tree.Xattr{{Name: "user.first", Value: make([]byte, 400)}, {Name: "user.second", Value: []byte(strings.Repeat("v", 400))}}
	good := plain(t, e)
	at := int(opened(t, good).block * (record{firstIno, inodeOf(t, good, firstIno)}).acl())
	for _, tt := range []struct {
		name   string
		change func(block []byte)
		want   string
	}{
		{"overlap", func(b []byte) { le.PutUint16(b[xattrBlockHeader+2:], uint16(le.Uint16(b[xattrBlockHeader+2:])-200)) }, "has the bytes of"},
		{"hash", func(b []byte) { b[xattrBlockHeader+12]++ }, "the hash of its attribute"},
		{"references", func(b []byte) { b[4] = 2 }, "1 inodes have them, and 2 is written there"},
	} {
		b := append([]byte{}, good...)
		tt.change(b[at:])
		if got := findings(t, b); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// foreignBytes is a file system made by mke2fs.
func foreignBytes(t testing.TB, args ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(foreignFS(t, t.TempDir(), args...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCheckProtection checks the block of multi-mount protection.
func TestCheckProtection(t *testing.T) {
	b := foreignBytes(t, "-O", "mmp")
	at := int(opened(t, b).block) * int(le.Uint64(b[superOffset+mmpAt:]))
	for off, want := range map[int]string{0: "does not begin with its mark", 0x20: "its checksum is"} {
		b[at+off] ^= 1
		if got := findings(t, b); !strings.Contains(got, "multi-mount protection: ") || !strings.Contains(got, want) {
			t.Errorf("byte %d: %q, want %q", off, got, want)
		}
		b[at+off] ^= 1
	}
}

// TestCheckOrphanFile checks the blocks of the orphan file.
func TestCheckOrphanFile(t *testing.T) {
	b := foreignBytes(t, "-O", "orphan_file,^metadata_csum")
	f := opened(t, b)
	n, err := f.record(le.Uint32(f.raw[orphanFileAt:]))
	if err != nil {
		t.Fatal(err)
	}
	at := int64(-1)
	w := walker{f: f, n: n, piece: func(p piece) (bool, error) {
		at = p.start * f.block
		return false, nil
	}}
	if err := w.walk(); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[int64]string{at: "is not empty, and the superblock says that it is", at + f.block - orphanTail: "does not end with its mark"} {
		b[off] ^= 12
		if got := findings(t, b); !strings.Contains(got, "orphan file: ") || !strings.Contains(got, want) {
			t.Errorf("byte %d: %q, want %q", off, got, want)
		}
		b[off] ^= 12
	}
	b[at] ^= 12
	b[superOffset+0x66] |= roCompatOrphans >> 16
	if got := findings(t, b); !strings.Contains(got, "lists inodes that were deleted while they were in use") {
		t.Errorf("with inodes in it: %q", got)
	}
}

// TestClusters counts the clusters of files, and finds those that two files have.
func TestClusters(t *testing.T) {
	f := &FS{s: superblock{ROCompat: roCompatBigAlloc, LogClusterSize: 2}} // 4 blocks
	for _, tt := range []struct {
		name   string
		pieces []piece
		want   int64
		fault  bool
	}{
		{"one", []piece{{logical: 0, start: 8, n: 3}}, 1, false},
		{"two", []piece{{logical: 2, start: 10, n: 4}}, 2, false},
		{"in two pieces", []piece{{logical: 0, start: 8, n: 1}, {logical: 2, start: 10, n: 2}}, 1, false},
		{"misplaced", []piece{{logical: 1, start: 8, n: 1}}, 1, true},
		{"one of the file in two", []piece{{logical: 0, start: 8, n: 1}, {logical: 1, start: 13, n: 1}}, 2, true},
		{"another's", []piece{{logical: 0, start: 400, n: 1}}, 1, true},
	} {
		c := &checker{f: f, clusters: bitset{}}
		c.clusters.add(101)
		k, used := clusters{c: c, where: "file"}, int64(0)
		for _, p := range tt.pieces {
			used += k.add(p)
		}
		if fault := damage.VerdictOf(c.Problems()) == damage.Damaged; used != tt.want || fault != tt.fault {
			t.Errorf("%s: %d clusters, %v, want %d, a fault: %v", tt.name, used, c.Problems(), tt.want, tt.fault)
		}
	}
}

// TestNameHash compares hashes of names with those of debugfs.
func TestNameHash(t *testing.T) {
	seed := testOptions.HashSeed
	uuid := regexp.MustCompile(`^(.{8})(.{4})(.{4})(.{4})(.{12})$`).ReplaceAllString(fmt.Sprintf("%x", seed), "$1-$2-$3-$4-$5")
	hash := regexp.MustCompile(`is 0x([0-9a-f]+)`)
	for version, name := range map[int]string{hashLegacy: "legacy", hashHalfMD4: "half_md4", hashTEA: "tea"} {
		h := nameHash{version: version, seed: newDirHash(seed)}
		unsigned := nameHash{version: version + unsignedHash, seed: h.seed}
		if unsigned.sum("ascii") != h.sum("ascii") || unsigned.sum("\xff") == h.sum("\xff") {
			t.Errorf("%s: signs of characters matter otherwise than they should", name)
		}
		for _, s := range []string{"a", "file.txt", "naïve-äöü", strings.Repeat("long", 50), "0123456789abcdef", "0123456789abcdef0123456789abcdef"} {
			out := tool(t, "debugfs", "-R", "dx_hash -h "+name+" -s "+uuid+" "+s)
			m := hash.FindStringSubmatch(out)
			if m == nil {
				t.Fatalf("debugfs says %q", out)
			}
			if got := fmt.Sprintf("%x", h.sum(s)); got != m[1] {
				t.Errorf("%s of %q: %s, want %s", name, s, got, m[1])
			}
		}
	}
}
