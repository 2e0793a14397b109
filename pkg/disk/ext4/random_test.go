// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// pattern is a content whose bytes depend on their offset; ranges, unless nil, are
// the parts that are not zero.
type pattern struct {
	seed   uint64
	size   int64
	ranges []tree.Range
}

func (c pattern) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.size-off))
	for i := range n {
		at := off + int64(i)
		p[i] = 0
		if c.ranges == nil || c.has(at) {
			p[i] = byte((uint64(at)+c.seed)*0x9e3779b97f4a7c15>>56) | 1
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (c pattern) has(at int64) bool {
	_, ok := slices.BinarySearchFunc(c.ranges, at, func(r tree.Range, at int64) int {
		if at < r.Off {
			return 1
		}
		if at >= r.Off+r.Len {
			return -1
		}
		return 0
	})
	return ok
}

// randomTree makes a tree of about n entries of all kinds.
func randomTree(rnd *rand.Rand, n int) *tree.Tree {
	entries := []tree.Entry{meta(rnd, tree.Entry{Mode: tree.Dir | 0o755})}
	dirs := []string{""}
	var files []string
	seen := map[string]bool{"": true}
	for i := range n {
		path := dirs[rnd.IntN(len(dirs))]
		if path != "" {
			path += "/"
		}
		path += disktest.RandomName(rnd)
		if rnd.IntN(200) == 0 {
			path = "lost+found"
		}
		if seen[path] {
			continue
		}
		seen[path] = true
		e := meta(rnd, tree.Entry{Path: path})
		kind := rnd.IntN(20)
		if path == "lost+found" {
			kind = 0
		}
		switch kind {
		case 0, 1, 2:
			e.Mode |= tree.Dir
			dirs = append(dirs, path)
		case 3, 4:
			e.Mode |= tree.Symlink
			e.Link = fmt.Sprintf("%0*d", 1+rnd.IntN(130), i)
			if rnd.IntN(10) == 0 {
				e.Link = fmt.Sprintf("%0*d", 1+rnd.IntN(4094), i)
			}
			e.Link = e.Link[:min(len(e.Link), 4095)]
		case 5, 6, 7, 8:
			disktest.Special(rnd, kind-5, &e)
		default:
			e.Mode |= tree.Regular
			files = append(files, path)
			randomFile(rnd, &e)
		}
		entries = append(entries, e)
	}
	for range n / 20 {
		if len(files) == 0 {
			break
		}
		first, second := files[rnd.IntN(len(files))], disktest.RandomName(rnd)
		if d := dirs[rnd.IntN(len(dirs))]; d != "" {
			second = d + "/" + second
		}
		if !seen[second] && tree.Compare(first, second) < 0 {
			seen[second] = true
			entries = append(entries, tree.Entry{Path: second, Hardlink: first})
		}
	}
	return sorted(entries...)
}

// meta sets owner, mode bits, times and attributes.
func meta(rnd *rand.Rand, e tree.Entry) tree.Entry {
	e.Mode |= rnd.Uint32N(0o10000)
	e.UID, e.GID = rnd.Uint32()>>rnd.IntN(32), rnd.Uint32()>>rnd.IntN(32)
	e.Mtime = rnd.Int64N(3<<32) - 1<<31
	e.MtimeNsec = rnd.Int32N(1e9)
	if rnd.IntN(4) > 0 {
		return e
	}
	room := 3800
	for i := range rnd.IntN(6) {
		prefix := []string{"user.", "trusted.", "security."}[rnd.IntN(3)]
		value := make([]byte, rnd.IntN([]int{10, 40, 100, 2000}[rnd.IntN(4)]))
		for k := range value {
			value[k] = byte(rnd.Uint32())
		}
		if room -= len(value) + 280; room < 0 {
			break
		}
		name := fmt.Sprintf("%s%d%0*d", prefix, i, 1+rnd.IntN(30), 7)
		e.Xattrs = append(e.Xattrs, tree.Xattr{Name: name, Value: value})
	}
	slices.SortFunc(e.Xattrs, func(a, b tree.Xattr) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return e
}

// randomFile makes a file: empty, whole, or with holes.
func randomFile(rnd *rand.Rand, e *tree.Entry) {
	e.Size = rnd.Int64N([]int64{1, 100, 10000, 300000}[rnd.IntN(4)])
	c := pattern{seed: rnd.Uint64(), size: e.Size}
	if rnd.IntN(4) == 0 {
		e.Data = []tree.Range{}
		step := []int64{3000, 20000}[rnd.IntN(2)]
		for off := rnd.Int64N(step); off < e.Size; {
			n := min(1+rnd.Int64N(step), e.Size-off)
			e.Data = append(e.Data, tree.Range{Off: off, Len: n})
			off += n + rnd.Int64N(step)
		}
		c.ranges = e.Data
	}
	if e.Size > 0 {
		e.Content = c
	}
}

// TestRandomTrees reads random file systems back with debugfs.
func TestRandomTrees(t *testing.T) {
	n := 25
	if testing.Short() {
		n = 8
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkRandom(t, uint64(seed), false) })
		if seed%2 == 0 {
			t.Run(fmt.Sprintf("%d compat", seed), func(t *testing.T) { checkRandom(t, uint64(seed), true) })
		}
	}
}

func checkRandom(t *testing.T, seed uint64, compat bool) {
	rnd := rand.New(rand.NewPCG(seed, 4))
	tr := randomTree(rnd, 1+rnd.IntN(600))
	o := testOptions
	o.Time, o.Compat = rnd.Int64N(1.7e9), compat
	switch rnd.IntN(3) {
	case 0:
		o.Size = 256<<20 + rnd.Int64N(1<<30)
	case 1:
		o.Free = rnd.Int64N(1 << 28)
	}
	if rnd.IntN(3) == 0 {
		o.InodeRatio = 1024 << rnd.IntN(8)
	}
	path := build(t, tr, o)
	verify(t, path, tr, o)
}

// FuzzBuild has e2fsck check random trees in file systems of random form.
func FuzzBuild(f *testing.F) {
	f.Add(uint64(1), uint16(10), int64(0), int64(0), int64(0), int64(0), false)
	f.Add(uint64(2), uint16(300), int64(64<<20), int64(0), int64(0), int64(1<<40), true)
	f.Add(uint64(3), uint16(100), int64(129<<20), int64(0), int64(2048), int64(0), false)
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, size, free, ratio, most int64, compat bool) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		tr := randomTree(rnd, int(n%1000))
		o := testOptions
		o.Size, o.Free, o.InodeRatio, o.MaxSize = size%(4<<30), free%(1<<30), ratio, most
		o.Compat = compat
		m, err := Build(tr, o)
		if err != nil {
			var space *SpaceError
			if size >= 0 && free >= 0 && ratio >= 0 && most >= 0 && !errors.As(err, &space) {
				t.Fatal(err)
			}
			return
		}
		fsck(t, write(t, m))
	})
}
