// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// TestCheckOwn finds no problem in the output of the writer.
func TestCheckOwn(t *testing.T) {
	large := sorted(append(numbered("big", "name-%d", 3000, file("", "x")), dir("big"), dir("empty"))...)
	for _, o := range []Options{testOptions, {Size: 64 << 20}, {Size: 300 << 20}, {Size: 5 << 30}, {Free: 1 << 20, ReservedPercent: -1}, {Compat: true}} {
		m, err := Build(large, o)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(m, m.Size())
		if err != nil {
			t.Fatal(err)
		}
		disktest.Clean(t, f)
	}
	for seed := range uint64(4) {
		m, err := Build(randomTree(rand.New(rand.NewPCG(seed, 2)), 300), testOptions)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Open(m, m.Size())
		if err != nil {
			t.Fatal(err)
		}
		disktest.Clean(t, f)
	}
}

// TestCheckFlip changes one byte of metadata at a time. Either there is a problem,
// or e2fsck has nothing to report, either.
func TestCheckFlip(t *testing.T) {
	entries := append(numbered("big", "name-%d", 400, file("", "x")), dir("big"), dir("a"), dir("a/b"), file("a/file", "content"),
		tree.Entry{Path: "a/link", Mode: tree.Symlink | 0o777, Link: strings.Repeat("long/", 20)},
		tree.Entry{Path: "a/hard", Hardlink: "a/file"},
		tree.Entry{Path: "a/attr", Mode: tree.Regular | 0o600, Xattrs: []tree.Xattr{{Name: "user.a", Value: make([]byte, 20)}, {Name: "user.b", Value: make([]byte, 900)}}},
		holes("a/holes", 400))
	l, err := plan(sorted(entries...), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Build(sorted(entries...), testOptions)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	silent := 0
	for range *flips {
		r := l.regions[rnd.IntN(len(l.regions))]
		at := (int64(r.start)+rnd.Int64N(int64(r.n)))*blockSize + rnd.Int64N(blockSize)
		change := byte(1 + rnd.IntN(255))
		b[at] ^= change
		if f, err := Open(image.Bytes(b), int64(len(b))); err == nil && len(f.Check(t.Context())) == 0 {
			silent++
			if out := complaint(t, b); out != "" {
				t.Errorf("byte %d of a block of kind %d changed by %#x: e2fsck says\n%s", at%blockSize, r.kind, change, out)
			}
		}
		b[at] ^= change
	}
	t.Logf("%d of %d changes have no consequence", silent, *flips)
}

var flips = flag.Int("flips", 150, "bytes that TestCheckFlip changes")

// holes is a file of n blocks of data, each followed by a hole.
func holes(path string, n int64) tree.Entry {
	e := tree.Entry{Path: path, Mode: tree.Regular | 0o644, Size: 2 * n * blockSize, Content: zeros{}}
	for i := range n {
		e.Data = append(e.Data, tree.Range{Off: 2 * i * blockSize, Len: blockSize})
	}
	return e
}

// complaint is the output of e2fsck about a file system, or "".
func complaint(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tooltest.Find(t, "e2fsck"), "-fn", path).Output()
	if err == nil && clean.Match(out) {
		return ""
	}
	return string(out)
}
