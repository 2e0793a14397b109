// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"fmt"
	"math"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// layout has the places of everything: the superblock has the first block for
// itself, so that its checksum does not depend on contents; inodes follow, and then
// blocks of data.
type layout struct {
	inodes []*inode
	end    int64 // end of the inodes
	blocks int64 // number of all blocks
	holes  bool  // there are files in chunks
}

func newLayout(t *tree.Tree, o Options) (*layout, error) {
	if len(o.Label) > labelSize || strings.IndexByte(o.Label, 0) >= 0 {
		return nil, fmt.Errorf("erofs: label %q is not of at most %d bytes", o.Label, labelSize)
	}
	inodes, err := newContent(t, o)
	if err != nil {
		return nil, err
	}
	l := &layout{inodes: inodes, end: blockSize}
	for _, n := range inodes {
		n.arrange()
		l.holes = l.holes || n.layout == layoutChunks
		l.place(n)
	}
	l.blocks = up(l.end, blockSize) / blockSize
	for _, n := range inodes {
		if err := l.assign(n); err != nil {
			return nil, &EntryError{FS: fsName, Path: n.entry.Path, Err: err}
		}
	}
	// fsck.erofs 1.5 reads as much after each inode as if it had attributes.
	if last := inodes[len(inodes)-1]; last.pos+last.headSize()+xattrHeader > l.blocks*blockSize {
		l.blocks++
	}
	if l.blocks > maxBlocks {
		return nil, fmt.Errorf("erofs: %w", ErrTooBig)
	}
	return l, nil
}

func (n *inode) headSize() int64 {
	if n.extended {
		return extendedSize + int64(len(n.xattrs))
	}
	return compactSize + int64(len(n.xattrs))
}

// stored is the size of an inode with everything that follows it.
func (n *inode) stored() int64 { return n.headSize() + 4*int64(len(n.chunks)) + n.tail }

// arrange chooses the layout of the data. A tail must not cross a block.
func (n *inode) arrange() {
	if n.entry.Type() == tree.Regular && n.cut() {
		n.layout = layoutChunks
		return
	}
	if tail := n.size % blockSize; tail > 0 && n.headSize()+tail <= blockSize {
		n.layout, n.tail = layoutInline, tail
	}
}

// maxChunks bounds the map of a file's chunks: larger files have larger chunks.
const maxChunks = 1 << 16

// cut divides a file into chunks if one of its blocks is a hole. Chunks with data
// get their place later.
func (n *inode) cut() bool {
	data, all := n.entry.Data, up(n.size, blockSize)/blockSize
	if data == nil || all == 0 {
		return false
	}
	covered, next := int64(0), int64(0) // blocks with data; the first that has not been counted yet
	for _, r := range data {
		if r.Len > 0 {
			from, to := max(r.Off/blockSize, next), up(r.Off+r.Len, blockSize)/blockSize
			covered += max(to-from, 0)
			next = max(next, to)
		}
	}
	if covered == all {
		return false
	}
	for all > maxChunks<<n.log {
		n.log++
	}
	size := int64(blockSize) << n.log
	n.chunks = make([]int64, up(n.size, size)/size)
	for i := range n.chunks {
		n.chunks[i] = -1
	}
	for _, r := range data {
		if r.Len > 0 {
			for i := r.Off / size; i <= (r.Off+r.Len-1)/size; i++ {
				n.chunks[i] = 0
			}
		}
	}
	return true
}

// place places an inode after the previous one, within one block if it fits.
func (l *layout) place(n *inode) {
	size := n.stored()
	if size > blockSize {
		size = n.headSize() - int64(len(n.xattrs))
	}
	if l.end/blockSize != (l.end+size-1)/blockSize {
		l.end = up(l.end, blockSize)
	}
	n.pos = l.end
	l.end = up(l.end+n.stored(), nidSize)
}

// assign assigns blocks to an inode's data.
func (l *layout) assign(n *inode) error {
	need := (n.size - n.tail + blockSize - 1) / blockSize
	if n.layout == layoutChunks {
		need = 0
		each := int64(1) << n.log
		for i, c := range n.chunks {
			if c >= 0 {
				n.chunks[i] = need
				need += min(each, up(n.size, blockSize)/blockSize-int64(i)*each)
			}
		}
	}
	if need > math.MaxUint32-l.blocks {
		return ErrTooBig
	}
	n.block = uint32(l.blocks)
	l.blocks += need
	return nil
}

func (n *inode) nid() uint64 { return uint64(n.pos / nidSize) }
