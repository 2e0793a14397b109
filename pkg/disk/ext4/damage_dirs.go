// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// place is a directory on the way down, given by its parent rather than its path:
// paths of deeply nested directories would take space quadratic in their number.
type place struct {
	parent *place
	name   string
	ino    uint32
}

func (p *place) String() string {
	var names []string
	for ; p.parent != nil && len(names) < 64; p = p.parent {
		names = append(names, p.name)
	}
	slices.Reverse(names)
	return "/" + strings.ToValidUTF8(strings.Join(names, "/"), "\uFFFD")
}

// directories visits all reachable directories.
func (c *checker) directories(ctx context.Context) {
	s := c.inodes[rootIno]
	if s == nil || s.kind != tree.Dir {
		c.Add("/", "inode %d is not a directory", rootIno)
		return
	}
	s.visited = true
	for stack := []*place{{ino: rootIno}}; len(stack) > 0 && ctx.Err() == nil; {
		p := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], c.directory(p)...)
	}
}

// directory checks a directory and returns its subdirectories.
func (c *checker) directory(p *place) []*place {
	n, err := c.f.record(p.ino)
	if err != nil {
		c.Add(p.String(), "%v", err)
		return nil
	}
	d := &dirCheck{checker: c, p: p, n: n, names: map[string]bool{}}
	if n.flags()&flagIndex != 0 && c.f.s.Compat&compatDirIndex != 0 {
		d.readIndex()
	}
	if c.f.inline(n) {
		d.inline()
		return d.below
	}
	if err := c.f.dirBlocks(n, d.block); err != nil {
		c.Add(p.String(), "%v", err)
	}
	if d.index != nil {
		d.unreached()
	}
	if d.dots < 2 {
		c.Add(p.String(), "it does not begin with . and ..")
	}
	return d.below
}

// dirCheck is the check of one directory.
type dirCheck struct {
	*checker
	p     *place
	n     record
	names map[string]bool
	index *index
	dots  int
	below []*place
}

// block checks a block of entries.
func (d *dirCheck) block(logical, no int64, b []byte) error {
	if d.f.metaSum && !d.isIndex(logical) {
		d.sum(no, b)
	}
	first := true
	err := d.f.eachDirent(b, func(e dirent) error {
		if logical == 0 && d.dots < 2 {
			d.dot(e)
			return nil
		}
		d.entry(e)
		first = false
		return nil
	})
	if err != nil {
		d.Add(d.p.String(), "block %d: %v", no, err)
	}
	if d.index != nil && !first {
		d.hashes(logical, no, b)
	}
	return nil
}

// inline checks a directory whose entries are in its inode.
func (d *dirCheck) inline() {
	parent := d.p.ino
	if d.p.parent != nil {
		parent = d.p.parent.ino
	}
	d.dot(dirent{ino: d.p.ino, name: "."})
	if ino := le.Uint32(d.n.words()); ino != parent {
		d.Add(d.p.String(), "its parent is inode %d, and it says %d", parent, ino)
	}
	d.dot(dirent{ino: parent, name: ".."})
	err := d.f.inlineDirents(d.n, func(e dirent) error {
		d.entry(e)
		return nil
	})
	if err != nil {
		d.Add(d.p.String(), "%v", err)
	}
}

// sum checks the checksum at the end of a block of entries.
func (d *dirCheck) sum(no int64, b []byte) {
	at := len(b) - direntTail
	tail := b[at:]
	if le.Uint32(tail) != 0 || le.Uint16(tail[4:]) != direntTail || tail[6] != 0 || tail[7] != tailType {
		d.Add(d.p.String(), "block %d has no checksum", no)
		return
	}
	if want, got := crc32c(d.f.inodeSeed(d.n), b[:at]), le.Uint32(tail[8:]); want != got {
		d.Add(d.p.String(), "block %d has the checksum %08x, and %08x is written in it", no, want, got)
	}
}

// dot checks the first two entries.
func (d *dirCheck) dot(e dirent) {
	name, ino := ".", d.p.ino
	if d.dots == 1 {
		name = ".."
		if d.p.parent != nil {
			ino = d.p.parent.ino
		}
	}
	d.dots++
	if e.name != name || e.ino != ino {
		d.Add(d.p.String(), "entry %d is %q, inode %d, not %q, inode %d", d.dots, e.name, e.ino, name, ino)
	}
	if s := d.inodes[e.ino]; s != nil {
		s.refs++
	}
}

// entry checks one of the other entries.
func (d *dirCheck) entry(e dirent) {
	p := &place{d.p, e.name, e.ino}
	if bad := badName(e.name); bad != "" && d.n.flags()&flagEncrypted == 0 || e.name == "." || e.name == ".." {
		d.Add(d.p.String(), "the name %q is not allowed", e.name)
		return
	}
	if d.n.flags()&flagCasefold != 0 && d.f.strictNames() && !utf8.ValidString(e.name) {
		d.Add(p.String(), "its name is not UTF-8")
	}
	if d.names[e.name] {
		d.Add(p.String(), "the name is there twice")
	}
	d.names[e.name] = true
	s := d.inodes[e.ino]
	switch {
	case s == nil || s.own || d.values[e.ino] > 0:
		d.Add(p.String(), "it names inode %d, which is not in use", e.ino)
		return
	case d.f.s.Incompat&incompatFiletype != 0 && e.kind != direntType(s.kind) && (e.kind != 0 || d.f.s.Creator != creatorHurd):
		d.Add(p.String(), "its entry has the type %d, its inode %d", e.kind, direntType(s.kind))
	}
	s.refs++
	if s.kind != tree.Dir {
		return
	}
	if s.visited {
		d.Add(p.String(), "inode %d is a directory with another name, too", e.ino)
		return
	}
	s.visited = true
	d.below = append(d.below, p)
}

// references checks link counts after all directories were read.
func (c *checker) references() {
	inos := make([]uint32, 0, len(c.inodes))
	for ino, s := range c.inodes {
		if !s.own && !s.elsewhere && c.values[ino] == 0 && (s.refs == 0 || s.kind == tree.Dir && !s.visited || uint32(s.links) != s.refs) {
			inos = append(inos, ino)
		}
	}
	slices.Sort(inos)
	for _, ino := range inos {
		s := c.inodes[ino]
		switch many := s.kind == tree.Dir && s.links == 1; {
		case s.refs == 0 || s.kind == tree.Dir && !s.visited:
			c.Add(fmt.Sprintf("inode %d", ino), "it is in use, and in no directory")
		case many && s.refs > maxLinks && c.f.s.ROCompat&roCompatDirNlink != 0: // not counted
		default:
			c.Add(fmt.Sprintf("inode %d", ino), "it has %d names, and %d is written in it", s.refs, s.links)
		}
	}
}
