// SPDX-License-Identifier: MPL-2.0

package ext4

const badIno = 1 // the list of bad blocks

// firstIno is the first inode that is not reserved by the file system.
func (f *FS) firstIno() uint32 {
	if f.s.Revision == 0 {
		return oldFirstIno
	}
	return f.s.FirstIno
}

// orphaned reports whether an inode without links may have been in use when the
// file system was last written: the superblock has the first of these.
func (f *FS) orphaned(ino uint32) bool { return f.s.LastOrphan != 0 && ino >= f.firstIno() }

// unknown notes features that do not prevent reading the file system, and whose
// structures are not checked.
func (c *checker) unknown() {
	s := &c.f.s
	if bad := s.Compat &^ compatKnown; bad != 0 {
		c.AddUnread("superblock", "features (compat %#x) that are not known", bad)
	}
	if bad := s.ROCompat &^ roCompatKnown; bad != 0 {
		c.AddUnread("superblock", "features (ro_compat %#x) that are not known", bad)
	}
}

// extraSize checks the size of the additional fields of inodes.
func (c *checker) extraSize() {
	f := c.f
	if f.inode <= oldInodeSize {
		return
	}
	for _, n := range []uint16{f.s.MinExtraIsize, f.s.WantExtraIsize} {
		if n != 0 && (n < 4 || n%4 != 0 || int64(n) > f.inode-oldInodeSize) {
			c.Add("superblock", "inodes are to have %d bytes after the first %d, of %d", n, oldInodeSize, f.inode)
		}
	}
}

// ownNumbers checks the inode numbers in the superblock.
func (c *checker) ownNumbers() {
	f := c.f
	quota := f.s.ROCompat & roCompatQuota
	project := quota * (f.s.ROCompat & roCompatProject)
	for _, x := range []struct {
		name    string
		off     int
		old     uint32 // the inode that is reserved for it
		feature uint32
	}{
		{"the quota of users", 0x240, 3, quota},
		{"the quota of groups", 0x244, 4, quota},
		{"the quota of projects", 0x26c, 0, project},
		{"files that are deleted while in use", 0x280, 0, f.s.Compat & compatOrphanFile},
	} {
		ino := le.Uint32(f.raw[x.off:])
		if ino != 0 && x.feature != 0 && (ino != x.old && ino < f.firstIno() || ino > f.s.InodesCount) {
			c.Add("superblock", "inode %d is to be that of %s", ino, x.name)
		}
	}
}

// Multi-mount protection: magic number and a checksum at the end of 1 KiB.
const (
	mmpMagic = 0x004d4d50
	mmpAt    = 0x168 // offset of the block's number in the superblock
	mmpSumAt = 1020
)

// protection checks the block that protects a file system from being mounted twice;
// being mounted now is not an error.
func (c *checker) protection() {
	f := c.f
	if f.s.Incompat&incompatMMP == 0 {
		return
	}
	const where = "multi-mount protection"
	b, err := f.read(int64(le.Uint64(f.raw[mmpAt:])))
	if err != nil {
		c.Add(where, "%v", err)
		return
	}
	switch {
	case le.Uint32(b) != mmpMagic:
		c.Add(where, "its block does not begin with its mark")
	case f.metaSum && crc32c(f.seed, b[:mmpSumAt]) != le.Uint32(b[mmpSumAt:]):
		c.Add(where, "its checksum is %08x, and %08x is written there", crc32c(f.seed, b[:mmpSumAt]), le.Uint32(b[mmpSumAt:]))
	}
}
