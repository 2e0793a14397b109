// SPDX-License-Identifier: MPL-2.0

package ext4

import "github.com/carosio/carosbuild/pkg/disk/tree"

// direntWriter fills a block with directory entries.
type direntWriter struct {
	p         []byte // the block, without the tail for the checksum
	off, last int
}

func (w *direntWriter) add(ino uint32, name string, mode uint32) {
	n := direntSize(name)
	e := w.p[w.off : w.off+n]
	le.PutUint32(e, ino)
	le.PutUint16(e[4:], uint16(n))
	e[6] = byte(len(name))
	e[7] = direntType(mode)
	copy(e[direntHeader:], name)
	w.last = w.off
	w.off += n
}

// end extends the last entry, or an empty one, to the end of the block.
func (w *direntWriter) end() {
	le.PutUint16(w.p[w.last+4:], uint16(len(w.p)-w.last))
}

// direntType is the file type in a directory entry for a mode.
func direntType(mode uint32) byte {
	switch mode & tree.TypeMask {
	case tree.Regular:
		return 1
	case tree.Dir:
		return 2
	case tree.Char:
		return 3
	case tree.Block:
		return 4
	case tree.FIFO:
		return 5
	case tree.Socket:
		return 6
	case tree.Symlink:
		return 7
	}
	return 0
}

// dxWriter fills the entries of an index block: pairs of hash and block, of which
// the first has limit and count instead of the hash.
type dxWriter struct {
	p     []byte
	off   int
	count int
}

func (w *dxWriter) add(hash uint32, block int) {
	e := w.p[w.off+8*w.count:]
	if w.count > 0 {
		le.PutUint32(e, hash)
	}
	le.PutUint32(e[4:], uint32(block))
	w.count++
}

// end writes limit, the number of entries that fit, and count.
func (w *dxWriter) end(limit int) {
	le.PutUint16(w.p[w.off:], uint16(limit))
	le.PutUint16(w.p[w.off+2:], uint16(w.count))
}

// sum writes the checksum, which covers the entries in use, the tail's reserved
// word and a zero in its own place (ext4_dx_csum).
func (w *dxWriter) sum(sum uint32) {
	sum = crc32c(sum, w.p[:w.off+8*w.count])
	tail := w.p[blockSize-dxTail:]
	le.PutUint32(tail[4:], crc32c(sum, tail))
}
