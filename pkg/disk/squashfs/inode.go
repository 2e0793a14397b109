// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"math"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// add writes an inode and, for a directory, first the list of names. Everything in
// a directory was added before it.
func (m *metadata) add(n *inode) error {
	e := n.entry
	uid, err := m.id(e.UID)
	if err != nil {
		return err
	}
	gid, err := m.id(e.GID)
	if err != nil {
		return err
	}
	xattr, err := m.xattrs.set(e.Xattrs)
	if err != nil {
		return err
	}
	var kind uint16
	var body []byte
	switch e.Type() {
	case tree.Dir:
		kind, body, err = m.directory(n, xattr)
	case tree.Regular:
		kind, body = n.file.encode(n.links, xattr)
	default:
		kind, body = special(n, xattr)
	}
	if err != nil {
		return err
	}
	n.at = m.inodes.at()
	head := le.AppendUint16(nil, kind)
	head = le.AppendUint16(head, uint16(e.Mode&0o7777))
	head = le.AppendUint16(head, uid)
	head = le.AppendUint16(head, gid)
	head = le.AppendUint32(head, seconds(e.Mtime))
	head = le.AppendUint32(head, n.number)
	m.inodes.add(append(head, body...))
	return nil
}

// encode is a file's inode without the common part.
func (f *file) encode(links, xattr uint32) (uint16, []byte) {
	s := f.stored()
	size := uint64(f.entry.Size)
	var b []byte
	kind := uint16(typeFile)
	if size <= math.MaxUint32 && s.start <= math.MaxUint32 && s.sparse == 0 && links == 1 && xattr == noXattrs {
		b = le.AppendUint32(b, uint32(s.start))
		b = le.AppendUint32(b, s.fragment)
		b = le.AppendUint32(b, s.offset)
		b = le.AppendUint32(b, uint32(size))
	} else {
		kind += typeExtended
		b = le.AppendUint64(b, uint64(s.start))
		b = le.AppendUint64(b, size)
		b = le.AppendUint64(b, uint64(s.sparse))
		b = le.AppendUint32(b, links)
		b = le.AppendUint32(b, s.fragment)
		b = le.AppendUint32(b, s.offset)
		b = le.AppendUint32(b, xattr)
	}
	for _, n := range s.sizes {
		b = le.AppendUint32(b, n)
	}
	return kind, b
}

// special is the same for an inode that is neither a file nor a directory.
func special(n *inode, xattr uint32) (uint16, []byte) {
	kind := entryType(n.entry)
	b := le.AppendUint32(nil, n.links)
	switch kind {
	case typeSymlink:
		b = le.AppendUint32(b, uint32(len(n.entry.Link)))
		b = append(b, n.entry.Link...)
	case typeBlock, typeChar:
		d := n.entry.Rdev
		b = le.AppendUint32(b, d.Minor&0xff|d.Major<<8|d.Minor&^0xff<<12) // new_encode_dev
	}
	if xattr != noXattrs {
		kind += typeExtended
		b = le.AppendUint32(b, xattr)
	}
	return kind, b
}

// entryType is the type of an entry in its directory.
func entryType(e *tree.Entry) uint16 {
	switch e.Type() {
	case tree.Dir:
		return typeDir
	case tree.Regular:
		return typeFile
	case tree.Symlink:
		return typeSymlink
	case tree.Block:
		return typeBlock
	case tree.Char:
		return typeChar
	case tree.FIFO:
		return typeFIFO
	}
	return typeSocket
}
