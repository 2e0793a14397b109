// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Check checks the file system as fsck.vfat -n does: the boot sector and its
// backup, both FATs, directories and their names, chains against sizes, clusters in
// use twice or by nothing, and the count of free ones. If ctx ends early, the list
// of problems is incomplete.
func (f *FS) Check(ctx context.Context) []damage.Problem {
	c := &checker{f: f, used: make([]uint64, f.last/64+1)}
	c.boot()
	c.copies()
	c.tree(ctx)
	c.lost(ctx)
	c.info()
	return c.Problems()
}

type checker struct {
	damage.List
	f    *FS
	used []uint64 // clusters that belong to a file or directory
	free int64
}

// claim marks a cluster as used and reports whether it was free.
func (c *checker) claim(n int64) bool {
	bit := uint64(1) << (n & 63)
	fresh := c.used[n>>6]&bit == 0
	c.used[n>>6] |= bit
	return fresh
}

// Offsets in a boot sector of the flag that the file system is mounted, and the
// bits of FAT entry 1 that say the opposite.
const (
	dirtyByte16 = 0x25
	dirtyByte32 = 0x41
	cleanBit16  = 1 << 15
	cleanBit32  = 1 << 27
)

// boot checks the boot sector, its backup, and the first two entries of the FAT.
func (c *checker) boot() {
	f := c.f
	dirty, cleanBit := dirtyByte16, int64(cleanBit16)
	if f.bits == 32 {
		dirty, cleanBit = dirtyByte32, cleanBit32
		c.backup()
	}
	media, err := f.entry(0)
	if err != nil {
		c.Add("FAT", "%v", err)
		return
	}
	if byte(media) != f.boot[21] {
		c.Add("FAT", "its first entry has the medium %#02x, and the boot sector says %#02x", byte(media), f.boot[21])
	}
	mark, err := f.entry(1)
	if err == nil && (f.bits > 12 && mark&cleanBit == 0 || f.boot[dirty]&1 != 0 && f.extended() != nil) {
		c.Add("boot sector", "it was not unmounted")
	}
}

// backup compares FAT32's boot sector with its backup.
func (c *checker) backup() {
	f := c.f
	at := int64(le.Uint16(f.boot[50:]))
	if at == 0 || at == 0xFFFF {
		return
	}
	b := make([]byte, sectorSize)
	if n, err := f.r.ReadAt(b, at*f.sector); n < len(b) {
		c.Add("backup of the boot sector", "it cannot be read: %v", err)
		return
	}
	first := slices.Clone(f.boot)
	first[dirtyByte32], b[dirtyByte32] = 0, 0
	if !bytes.Equal(first, b) {
		c.Add("backup of the boot sector", "it differs from the boot sector")
	}
}

// copies compares the FATs.
func (c *checker) copies() {
	f := c.f
	a, b := make([]byte, pageSize), make([]byte, pageSize)
	for off := int64(0); f.fats == 2 && off < f.fatSize; off += pageSize {
		n := min(pageSize, f.fatSize-off)
		k, err := f.r.ReadAt(a[:n], f.fatAt+off)
		if int64(k) == n {
			k, err = f.r.ReadAt(b[:n], f.fatAt+f.fatSize+off)
		}
		if int64(k) < n {
			c.Add("FAT", "it cannot be read: %v", err)
			return
		}
		for i := range n {
			if a[i] != b[i] {
				c.Add("second FAT", "it differs from the first, from byte %d on", off+i)
				return
			}
		}
	}
}

// place is a directory on the way down, given by its parent.
type place struct {
	parent  *place
	name    string
	cluster int64
}

func (p *place) String() string {
	var names []string
	for ; p.parent != nil && len(names) < 64; p = p.parent {
		names = append(names, p.name)
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/")
}

// tree checks all directories.
func (c *checker) tree(ctx context.Context) {
	root := &place{}
	if c.f.bits == 32 {
		root.cluster = c.f.rootCluster()
		c.chain(root, root.cluster, maxDirBytes/c.f.cluster+1)
	}
	for stack := []*place{root}; len(stack) > 0 && ctx.Err() == nil; {
		p := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], c.directory(p)...)
	}
}

// chain claims a chain and returns its length. It ends where another one begins.
func (c *checker) chain(p *place, first, limit int64) int64 {
	n := int64(0)
	err := c.f.chain(first, limit, func(cluster int64) error {
		if !c.claim(cluster) {
			return fmt.Errorf("cluster %d is in use elsewhere, too", cluster)
		}
		n++
		return nil
	})
	if err != nil {
		c.Add(p.String(), "%v", err)
		return -1
	}
	return n
}

// directory checks a directory, whose chain has been claimed, and returns its
// subdirectories.
func (c *checker) directory(p *place) []*place {
	budget := c.f.last
	b, err := c.f.directory(p.cluster, &budget)
	if err != nil {
		return nil // the chain has reported it
	}
	ents, orphans := c.f.parseDir(b)
	if orphans > 0 {
		c.Add(p.String(), "%d entries are parts of long names that belong to none", orphans)
	}
	d := &dirCheck{checker: c, p: p, names: map[string]bool{}, shorts: map[[11]byte]bool{}}
	for i, e := range ents {
		switch {
		case p.parent != nil && i < 2:
			d.dot(i, e)
		case e.attr&(attrLabel|attrDir) == attrLabel:
			if badShort(e.short) {
				c.Add(p.String(), "the label %q is not allowed", e.name)
			}
			if p.parent != nil || d.labels > 0 {
				c.Add(p.String(), "there is a label %q too many", e.name)
			} else if s := c.f.bootLabel(); s != "" && s != e.name {
				c.Add("boot sector", "it has the label %q, and the root directory has %q", s, e.name)
			}
			d.labels++
		default:
			d.entry(e)
		}
	}
	if p.parent != nil && len(ents) < 2 {
		c.Add(p.String(), "it does not begin with . and ..")
	}
	return d.below
}

// dirCheck is the check of one directory.
type dirCheck struct {
	*checker
	p      *place
	names  map[string]bool
	shorts map[[11]byte]bool
	labels int
	below  []*place
}

// dot checks the first two entries.
func (d *dirCheck) dot(i int, e direntry) {
	name, cluster := ".          ", d.p.cluster
	if i == 1 {
		name, cluster = "..         ", d.p.parent.cluster
		if d.p.parent.parent == nil {
			cluster = 0
		}
	}
	if string(e.short[:]) != name || !e.isDir() || e.cluster != cluster {
		d.Add(d.p.String(), "entry %d is %q at cluster %d, not %q at cluster %d", i+1, e.short[:], e.cluster, name, cluster)
	}
}

// entry checks a file or directory.
func (d *dirCheck) entry(e direntry) {
	p := &place{d.p, e.name, e.cluster}
	fold := strings.ToUpper(strings.ToLower(e.name))
	switch {
	case badName(e.name) || e.dots() || badShort(e.short):
		d.Add(d.p.String(), "the name %q, short %q, is not allowed", e.name, e.short[:])
	case d.names[fold] || d.shorts[e.short]:
		d.Add(p.String(), "the name is there twice")
	}
	d.names[fold], d.shorts[e.short] = true, true
	if e.odd {
		d.Add(p.String(), "bits of its entry are set that mean nothing")
	}
	if e.orphan {
		d.Add(p.String(), "the long name before it is not its own")
	}
	if e.isDir() {
		d.subdirectory(p, e)
		return
	}
	if e.cluster == 0 && e.size == 0 {
		return
	}
	want := clustersFor(e.size, d.f.cluster)
	if n := d.chain(p, e.cluster, d.f.last); n >= 0 && n != want {
		d.Add(p.String(), "it has %d clusters, and %d bytes need %d", n, e.size, want)
	}
}

func (d *dirCheck) subdirectory(p *place, e direntry) {
	if e.size != 0 {
		d.Add(p.String(), "a directory of %d bytes", e.size)
	}
	if d.chain(p, e.cluster, maxDirBytes/d.f.cluster+1) > 0 {
		d.below = append(d.below, p)
	}
}

// badShort reports characters that are not allowed in a short name.
func badShort(short [11]byte) bool {
	for i, c := range short {
		if c < ' ' && !(i == 0 && c == entryKanji) || c == 0x7F || strings.IndexByte("\"*+,./:;<=>?[\\]|", c) >= 0 {
			return true
		}
	}
	return short[0] == ' '
}

// lost counts the clusters that are neither free nor in a chain.
func (c *checker) lost(ctx context.Context) {
	lost, first := int64(0), int64(0)
	for n := int64(2); n <= c.f.last; n++ {
		if n%pageSize == 0 && ctx.Err() != nil {
			return
		}
		v, err := c.f.next(n)
		if err != nil {
			c.Add("FAT", "%v", err)
			return
		}
		switch {
		case v == freeCluster:
			c.free++
		case v != badCluster && c.used[n>>6]>>(n&63)&1 == 0:
			if lost++; first == 0 {
				first = n
			}
		}
	}
	if lost > 0 {
		c.Add("FAT", "%d clusters are in use by no file; the first is %d", lost, first)
	}
}

// info checks FAT32's sector with the count of free clusters.
func (c *checker) info() {
	f := c.f
	at := int64(le.Uint16(f.boot[48:]))
	if f.bits != 32 || at == 0 || at == 0xFFFF {
		return
	}
	b := make([]byte, sectorSize)
	if n, err := f.r.ReadAt(b, at*f.sector); n < len(b) {
		c.Add("FSInfo", "it cannot be read: %v", err)
		return
	}
	free, next := le.Uint32(b[488:]), le.Uint32(b[492:])
	switch {
	case le.Uint32(b) != 0x41615252 || le.Uint32(b[484:]) != 0x61417272 || le.Uint32(b[508:]) != 0xAA550000:
		c.Add("FSInfo", "there is none at sector %d", at)
	case free != 1<<32-1 && int64(free) != c.free:
		c.Add("FSInfo", "%d clusters are free, and it says %d", c.free, free)
	case next != 1<<32-1 && int64(next) > f.last:
		c.Add("FSInfo", "it says that cluster %d is the last in use, and there are %d", next, f.last)
	}
}
