// SPDX-License-Identifier: MPL-2.0

package ext4

import "github.com/carosio/carosbuild/pkg/disk/tree"

// putInode writes inode ino into p, which is zero. Unused inodes stay zero;
// reserved inodes without a purpose have only a checksum, as with mke2fs.
func (l *layout) putInode(p []byte, ino uint32) {
	switch {
	case ino == rootIno:
		l.putEntry(p, 0)
	case ino == resizeIno:
		l.putResizeInode(p)
	case ino == journalIno:
		l.putJournalInode(p)
	case ino == lostFoundIno:
		l.putEntry(p, l.lostFound)
	case ino >= firstIno && int64(ino) <= l.lastIno():
		l.putEntry(p, l.byIno[ino-firstIno])
	case ino > lostFoundIno:
		return
	}
	if !l.sums() {
		return
	}
	sum := crc32c(inodeSeed(l.seed, ino), p)
	le.PutUint16(p[inodeChecksumLow:], uint16(sum))
	if le.Uint16(p[inodeExtra:]) != 0 {
		le.PutUint16(p[inodeChecksumHi:], uint16(sum>>16))
	}
}

// putEntry writes the inode of an entry.
func (l *layout) putEntry(p []byte, i int32) {
	e := l.entry(i)
	n := inode{
		mode: uint16(e.Mode), uid: e.UID, gid: e.GID, links: 1,
		time:   extendedTime(e.Mtime, e.MtimeNsec),
		crtime: extendedTime(l.opts.Time, 0),
	}
	if e == &addedLostFound {
		n.time = n.crtime
	}
	if names := l.names[i]; names > 0 {
		n.links = uint16(names)
	}
	switch e.Type() {
	case tree.Dir:
		d := l.dir(i)
		n.links, n.size = d.links(), d.blocks*blockSize
		if d.indexed {
			n.flags |= flagIndex
		}
		n.setBlocks(l.mapping(i, d.blocks))
	case tree.Regular:
		n.size = e.Size
		n.setBlocks(l.mapping(i, blocks(e.Size)))
	case tree.Symlink:
		n.size = int64(len(e.Link))
		if len(e.Link) < inlineLink {
			copy(n.block[:], e.Link)
		} else {
			n.setBlocks(l.mapping(i, 1))
		}
	case tree.Char, tree.Block:
		n.setDevice(e.Rdev)
	}
	if n.xattrs = l.xattrAt(i); n.xattrs != 0 {
		n.sectors += blockSize / sectorSize
	}
	n.put(p)
	if len(e.Xattrs) > 0 {
		inline, _, _ := splitXattrs(e.Xattrs) // newContent has reported the error
		putInodeXattrs(p[inodeXattrs:], inline)
	}
}

// setBlocks writes the extents and the number of blocks.
func (n *inode) setBlocks(m mapping) {
	n.flags |= flagExtents
	m.putRoot(n.block[:])
	total := int64(len(m.nodes))
	for _, r := range m.runs {
		total += int64(r.n)
	}
	n.sectors += total * (blockSize / sectorSize)
}

// setDevice encodes a device number: the old 16-bit form if it fits, else the new
// one (new_encode_dev) in the second word.
func (n *inode) setDevice(d tree.Device) {
	if d.Major < 256 && d.Minor < 256 {
		le.PutUint32(n.block[0:], d.Major<<8|d.Minor)
		return
	}
	le.PutUint32(n.block[4:], d.Minor&0xff|d.Major<<8|d.Minor&^0xff<<12)
}

// putJournalInode writes inode 8.
func (l *layout) putJournalInode(p []byte) {
	t := extendedTime(l.opts.Time, 0)
	n := inode{mode: tree.Regular | 0o600, links: 1, size: l.geo.journal * blockSize, time: t, crtime: t}
	n.setBlocks(l.journal)
	n.put(p)
}

// putJournal writes the journal's superblock: an empty journal.
func (l *layout) putJournal(p []byte) {
	be.PutUint32(p[0x00:], journalMagic)
	be.PutUint32(p[0x04:], journalSuperV2)
	be.PutUint32(p[0x0c:], blockSize)
	be.PutUint32(p[0x10:], uint32(l.geo.journal))
	be.PutUint32(p[0x14:], 1) // first block of the log
	be.PutUint32(p[0x18:], 1) // first sequence number
	copy(p[0x30:], l.opts.UUID[:])
	be.PutUint32(p[0x40:], 1) // users
}

// resizeSize is the size of the resize inode: everything that 12 direct, an
// indirect and a double indirect block can map (ext2fs_create_resize_inode).
const resizeSize = (12 + blockPtrs + blockPtrs*blockPtrs) * blockSize

// putResizeInode writes inode 7. It maps with block pointers: its double indirect
// block refers to the reserved descriptor blocks of group 0, at the indices that
// they will have in the table, and each of these refers to its backups.
func (l *layout) putResizeInode(p []byte) {
	t := extendedTime(l.opts.Time, 0)
	n := inode{mode: tree.Regular | 0o600, links: 1, size: resizeSize, time: t, crtime: t}
	used := 1 + l.geo.reservedGDT*int64(1+len(l.geo.backups()))
	n.sectors = used * (blockSize / sectorSize)
	le.PutUint32(n.block[4*13:], uint32(l.resizeDIND))
	n.put(p)
}

// putResizeDIND writes the resize inode's double indirect block.
func (l *layout) putResizeDIND(p []byte) {
	first := 1 + l.geo.descBlocks
	for i := range l.geo.reservedGDT {
		le.PutUint32(p[(l.geo.descBlocks+i)%blockPtrs*4:], uint32(first+i))
	}
}

// putReservedGDT writes reserved descriptor block k of group 0.
func (l *layout) putReservedGDT(p []byte, k int64) {
	for i, group := range l.geo.backups() {
		le.PutUint32(p[4*i:], uint32(group*groupBlocks+1+l.geo.descBlocks+k))
	}
}

// backups are the groups other than 0 that have a superblock.
func (g *geometry) backups() []int64 {
	var out []int64
	for i := int64(1); i < g.groups; i++ {
		if hasSuper(i) {
			out = append(out, i)
		}
	}
	return out
}
