// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"encoding/binary"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// writer collects the extents of one file system.
type writer struct {
	geometry
	label   []byte
	o       Options
	extents []image.Extent
	chains  []chain
}

// chain is a run of clusters that belong together.
type chain struct{ first, n int64 }

func (w *writer) bytes(off int64, b []byte) {
	w.extents = append(w.extents, image.Extent{Off: off, Len: int64(len(b)), Src: image.Bytes(b)})
}

// zeros marks a range that readers expect to be zero, so that it is not a hole.
func (w *writer) zeros(off, end int64) {
	if end > off {
		w.extents = append(w.extents, image.Extent{Off: off, Len: end - off, Src: image.Zeros{}})
	}
}

// directory writes d, whose parent is up, and everything below it.
func (w *writer) directory(d, up *node) {
	b := make([]byte, 0, d.slots*dirEntrySize)
	mtime := d.entry.Mtime
	if d == up {
		if w.label != nil {
			b = append(b, shortEntry([11]byte(w.label), attrLabel, 0, 0, 0, w.o.Time)...)
		}
	} else {
		parent := up.cluster
		if up.path == "" { // the root, wherever it is
			parent = 0
		}
		b = append(b, shortEntry([11]byte([]byte(".          ")), attrDir, 0, d.cluster, 0, mtime)...)
		b = append(b, shortEntry([11]byte([]byte("..         ")), attrDir, 0, parent, 0, mtime)...)
	}
	for _, c := range d.children {
		attr, size := byte(attrArchive), c.entry.Size
		if c.isDir() {
			attr, size = attrDir, 0
		}
		if c.name.long != nil {
			b = append(b, longEntries(c.name.long, c.name.short)...)
		}
		b = append(b, shortEntry(c.name.short, attr, c.name.lower, c.cluster, size, c.entry.Mtime)...)
	}
	at, room := w.offset(d.cluster), w.rootSectors*sectorSize
	if len(b) > 0 {
		w.bytes(at, b)
	}
	if d.cluster != 0 {
		n := max(1, clustersFor(int64(len(b)), w.clusterBytes()))
		w.chains = append(w.chains, chain{d.cluster, n})
		room = n * w.clusterBytes()
	}
	w.zeros(at+int64(len(b)), at+room)
	for _, c := range d.children {
		if c.isDir() {
			w.directory(c, d)
			continue
		}
		w.file(c)
	}
}

// file adds a file's data. The format has no holes: these become zeros.
func (w *writer) file(n *node) {
	e := n.entry
	if e.Size == 0 {
		return
	}
	w.chains = append(w.chains, chain{n.cluster, clustersFor(e.Size, w.clusterBytes())})
	at := w.offset(n.cluster)
	if e.Data == nil {
		w.extents = append(w.extents, image.Extent{Off: at, Len: e.Size, Src: e.Content})
		return
	}
	end := int64(0)
	for _, r := range e.Data {
		w.zeros(at+end, at+r.Off)
		w.extents = append(w.extents, image.Extent{Off: at + r.Off, Len: r.Len, Src: e.Content, SrcOff: r.Off})
		end = r.Off + r.Len
	}
	w.zeros(at+end, at+e.Size)
}

// tables writes boot sectors, FSInfo and both FATs; next is the first free
// cluster.
func (w *writer) tables(next int64) {
	boot := w.bootSector(w.label, w.o.Serial, w.o.Hidden)
	w.bytes(0, boot)
	if w.bits == 32 {
		info := fsInfo(w.clusters-(next-2), next-1)
		w.bytes(infoSector*sectorSize, info)
		w.bytes(backupSector*sectorSize, boot)
		w.bytes((backupSector+infoSector)*sectorSize, info)
	}
	fat := make([]byte, (next*w.entry()+sectorSize-1)/sectorSize*sectorSize)
	put := func(n, v int64) {
		if w.bits == 16 {
			binary.LittleEndian.PutUint16(fat[2*n:], uint16(v))
			return
		}
		binary.LittleEndian.PutUint32(fat[4*n:], uint32(v))
	}
	put(0, endOfChain&^0xFF|mediaFixed)
	put(1, endOfChain)
	for _, c := range w.chains {
		for i := range c.n - 1 {
			put(c.first+i, c.first+i+1)
		}
		put(c.first+c.n-1, endOfChain)
	}
	for i := range int64(fatCount) {
		w.bytes(w.fatOffset(i), fat)
		w.zeros(w.fatOffset(i)+int64(len(fat)), w.fatOffset(i)+w.fatSectors*sectorSize)
	}
}
