// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// record is an inode as it is in its table.
type record struct {
	ino uint32
	raw []byte // of the file system's inode size
}

// record reads an inode.
func (f *FS) record(ino uint32) (record, error) {
	if ino == 0 || ino > f.s.InodesCount {
		return record{}, formatError("inode %d is named, and there are %d", ino, f.s.InodesCount)
	}
	group, i := int64(ino-1)/int64(f.s.InodesPerGroup), int64(ino-1)%int64(f.s.InodesPerGroup)
	d, err := f.group(group)
	if err != nil {
		return record{}, err
	}
	if d.inodeTable < f.first || d.inodeTable >= f.blocks {
		return record{}, formatError("the inode table of group %d is at block %d", group, d.inodeTable)
	}
	b, err := f.read(d.inodeTable + i*f.inode/f.block)
	if err != nil {
		return record{}, fmt.Errorf("inode %d: %w", ino, err)
	}
	return record{ino, b[i*f.inode%f.block:][:f.inode]}, nil
}

func (n record) mode() uint32 { return uint32(le.Uint16(n.raw)) }
func (n record) kind() uint32 { return n.mode() & tree.TypeMask }
func (n record) uid() uint32 {
	return uint32(le.Uint16(n.raw[0x02:])) | uint32(le.Uint16(n.raw[0x78:]))<<16
}

func (n record) gid() uint32 {
	return uint32(le.Uint16(n.raw[0x18:])) | uint32(le.Uint16(n.raw[0x7a:]))<<16
}
func (n record) links() int         { return int(le.Uint16(n.raw[0x1a:])) }
func (n record) dtime() uint32      { return le.Uint32(n.raw[0x14:]) }
func (n record) flags() uint32      { return le.Uint32(n.raw[0x20:]) }
func (n record) generation() uint32 { return le.Uint32(n.raw[0x64:]) }
func (n record) words() []byte      { return n.raw[inodeBlock:][:60] }
func (n record) acl() int64 {
	return int64(le.Uint32(n.raw[0x68:])) | int64(le.Uint16(n.raw[0x76:]))<<32
}

// size is the size of the content in bytes; negative if it is impossible for a
// file.
func (n record) size() int64 {
	return int64(le.Uint32(n.raw[0x04:])) | int64(le.Uint32(n.raw[0x6c:]))<<32
}

// sectors is i_blocks, in units of 512 bytes or, with the flag huge_file, of
// blocks.
func (n record) sectors() int64 {
	return int64(le.Uint32(n.raw[0x1c:])) | int64(le.Uint16(n.raw[0x74:]))<<32
}

// extra is the number of bytes after the 128 of old inodes.
func (n record) extra() int {
	if len(n.raw) <= oldInodeSize {
		return 0
	}
	return int(le.Uint16(n.raw[inodeExtra:]))
}

// mtime is the time of the last change in seconds and nanoseconds.
func (n record) mtime() (int64, int32) {
	sec := int64(int32(le.Uint32(n.raw[0x10:])))
	if n.extra() < 12 || len(n.raw) < 0x8c {
		return sec, 0
	}
	x := le.Uint32(n.raw[0x88:])
	return sec + int64(x&3)<<32, int32(x >> 2 % 1e9)
}

// device is the device number of a node.
func (n record) device() tree.Device {
	w := n.words()
	if old := le.Uint32(w); old != 0 {
		return tree.Device{Major: old >> 8 & 0xff, Minor: old & 0xff}
	}
	v := le.Uint32(w[4:])
	return tree.Device{Major: v >> 8 & 0xfff, Minor: v&0xff | v>>12&^0xff}
}

// inlineTarget is the target of a symbolic link that is stored in the inode.
func (n record) inlineTarget() (string, bool) {
	if n.kind() != tree.Symlink || n.flags()&flagExtents != 0 || n.size() < 0 || n.size() >= inlineLink {
		return "", false
	}
	return string(n.words()[:n.size()]), true
}

// hasBlocks reports whether i_block has the places of the content.
func (f *FS) hasBlocks(n record) bool {
	_, fast := n.inlineTarget()
	if f.inline(n) {
		return false
	}
	switch n.kind() {
	case tree.Regular, tree.Dir:
		return true
	case tree.Symlink:
		return !fast
	}
	return false
}

// seed is the start value for the checksums of the inode's blocks.
func (f *FS) inodeSeed(n record) uint32 {
	return crc32cUint32(crc32cUint32(f.seed, n.ino), n.generation())
}

// target is the target of a symbolic link.
func (f *FS) target(n record) (string, error) {
	if f.inline(n) {
		b, err := f.inlineContent(n)
		return string(b), err
	}
	if s, ok := n.inlineTarget(); ok {
		return s, nil
	}
	if n.size() <= 0 || n.size() > f.block {
		return "", formatError("symbolic link (inode %d) of %d bytes", n.ino, n.size())
	}
	b := make([]byte, n.size())
	if k, err := (&data{f, n}).ReadAt(b, 0); k < len(b) {
		return "", fmt.Errorf("symbolic link (inode %d): %w", n.ino, err)
	}
	return string(b), nil
}
