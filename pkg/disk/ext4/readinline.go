// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Flags of inodes that the writer does not set.
const (
	flagImagic    = 0x2000
	flagEncrypted = 0x800
	flagVerity    = 0x100000
	flagEAInode   = 0x200000
	flagInline    = 0x10000000
	flagCasefold  = 0x40000000
)

// Small contents are in the inode: 60 bytes in i_block, the rest in the attribute
// system.data.
const (
	inlineBytes  = 60
	xattrSystem  = 7
	inlineName   = "data"
	inlineParent = 4 // a directory begins with the inode of its parent
)

// inline reports whether an inode contains its own content.
func (f *FS) inline(n record) bool {
	if f.s.Incompat&incompatInlineData == 0 || n.flags()&flagInline == 0 {
		return false
	}
	k := n.kind()
	return k == tree.Regular || k == tree.Dir || k == tree.Symlink
}

// inlineRoom is the space for content in an inode: that in i_block, and that in the
// attribute.
func inlineRoom(n record) (first, more []byte, err error) {
	if b := n.inodeXattrs(); b != nil {
		err = eachXattr(b, 0, 0, func(x xattr, _ uint32) {
			if x.index == xattrSystem && x.name == inlineName {
				more = x.value
			}
		})
	}
	return n.words()[:inlineBytes], more, err
}

// inlineContent is the content of an inode that contains it.
func (f *FS) inlineContent(n record) ([]byte, error) {
	first, more, err := inlineRoom(n)
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", n.ino, err)
	}
	b := append(append([]byte{}, first...), more...)
	if n.size() < 0 || n.size() > int64(len(b)) {
		return nil, formatError("inode %d has %d bytes, and room for %d in itself", n.ino, n.size(), len(b))
	}
	return b[:n.size()], nil
}

// inlineDirents calls f for the entries of a directory that is in its inode; . and
// .. are not among them.
func (f *FS) inlineDirents(n record, each func(d dirent) error) error {
	first, more, err := inlineRoom(n)
	if err != nil {
		return fmt.Errorf("inode %d: %w", n.ino, err)
	}
	if want := int64(len(first) + len(more)); n.size() != want {
		return formatError("a directory (inode %d) of %d bytes has %d in itself", n.ino, n.size(), want)
	}
	if err := f.eachDirent(first[inlineParent:], each); err != nil {
		return err
	}
	return f.eachDirent(more, each)
}
