// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// filesTree is a tree similar to a root file system: n files in directories of 40.
func filesTree(n int) *tree.Tree {
	t := &tree.Tree{Entries: make([]tree.Entry, 0, n+n/40+3)}
	t.Entries = append(t.Entries, tree.Entry{Mode: tree.Dir | 0o755})
	for i := range n {
		if i%40 == 0 {
			if i%8000 == 0 {
				t.Entries = append(t.Entries, dir(fmt.Sprintf("usr-%05d", i/8000)))
			}
			t.Entries = append(t.Entries, dir(fmt.Sprintf("usr-%05d/package-%05d", i/8000, i/40)))
		}
		t.Entries = append(t.Entries, tree.Entry{
			Path: fmt.Sprintf("usr-%05d/package-%05d/some-file-%07d.txt", i/8000, i/40, i),
			Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(i%30) * 1000, Content: zeros{},
		})
	}
	return t
}

func benchmarkBuild(b *testing.B, n int, o Options) {
	t := filesTree(n)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(t, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuild40k(b *testing.B)    { benchmarkBuild(b, 40_000, Options{Size: 2 << 30}) }
func BenchmarkBuild40kFit(b *testing.B) { benchmarkBuild(b, 40_000, Options{}) }
func BenchmarkBuild1M(b *testing.B)     { benchmarkBuild(b, 1_000_000, Options{Size: 40 << 30}) }
func BenchmarkBuild2TiB(b *testing.B)   { benchmarkBuild(b, 1000, Options{Size: 2 << 40}) }

// BenchmarkMetadata40k reads all generated blocks.
func BenchmarkMetadata40k(b *testing.B) {
	t := filesTree(40_000)
	for i := range t.Entries {
		t.Entries[i].Size = 0
	}
	m, err := Build(t, Options{Size: 2 << 30})
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	for b.Loop() {
		n := int64(0)
		for _, x := range m.Extents() {
			k, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(m, x.Off, x.Len)}, buf)
			if err != nil {
				b.Fatal(err)
			}
			n += k
		}
		b.SetBytes(n)
	}
}

// TestMemory bounds the memory of a plan and its image: 600 bytes per file,
// including the tree.
func TestMemory(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	tr := filesTree(n)
	withTree := heap()
	m, err := Build(tr, Options{Size: 40 << 30})
	if err != nil {
		t.Fatal(err)
	}
	after := heap()
	t.Logf("tree %d, image %d bytes a file", (withTree-before)/int64(n), (after-withTree)/int64(n))
	if got := (after - before) / int64(n); got > 600 {
		t.Errorf("%d bytes a file, want at most 600", got)
	}
	runtime.KeepAlive(m)
	runtime.KeepAlive(tr)
}
