// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxValue is the largest attribute value in Linux.
const maxValue = 64 << 10

// eaInode is the inode with the value of an attribute.
func (f *FS) eaInode(x xattr) (record, error) {
	if f.s.Incompat&incompatEAInode == 0 {
		return record{}, formatError("the value of an extended attribute is in inode %d, without the feature ea_inode", x.inum)
	}
	if x.inum < max(f.s.FirstIno, oldFirstIno) {
		return record{}, formatError("the value of an extended attribute is in inode %d", x.inum)
	}
	n, err := f.record(x.inum)
	if err != nil {
		return record{}, err
	}
	if n.kind() != tree.Regular || n.flags()&flagEAInode == 0 || n.size() != int64(x.size) || x.size > maxValue {
		return record{}, formatError("inode %d is not the value of %d bytes of an extended attribute", x.inum, x.size)
	}
	return n, nil
}

// eaValue is the value of an attribute that is stored in an inode.
func (f *FS) eaValue(x xattr) ([]byte, error) {
	n, err := f.eaInode(x)
	if err != nil {
		return nil, err
	}
	b := make([]byte, x.size)
	if k, err := (&data{f, n}).ReadAt(b, 0); k < len(b) {
		return nil, fmt.Errorf("value of an extended attribute (inode %d): %w", x.inum, err)
	}
	return b, nil
}

// references is the number of attributes whose value is in the inode.
func (n record) references() uint64 {
	return uint64(le.Uint32(n.raw[0x0c:]))<<32 | uint64(le.Uint32(n.raw[0x24:]))
}

// valueHash is the hash of a value, which is stored in its inode.
func (n record) valueHash() uint32 { return le.Uint32(n.raw[0x08:]) }
