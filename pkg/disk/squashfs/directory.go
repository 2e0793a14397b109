// SPDX-License-Identifier: MPL-2.0

package squashfs

import "math"

// directory writes the names of a directory and returns its inode without the
// common part.
func (m *metadata) directory(n *inode, xattr uint32) (uint16, []byte, error) {
	at := m.dirs.at()
	size, index, indexes := m.list(n.names)
	if size > math.MaxUint32 || indexes > math.MaxUint16 {
		return 0, nil, ErrDirSize
	}
	parent := uint32(len(m.order)) + 1 // for the root: no inode has this number
	if n.parent != nil {
		parent = n.parent.number
	}
	var b []byte
	if size <= math.MaxUint16 && indexes == 0 && xattr == noXattrs {
		b = le.AppendUint32(b, at.block)
		b = le.AppendUint32(b, n.links)
		b = le.AppendUint16(b, uint16(size))
		b = le.AppendUint16(b, at.offset)
		return typeDir, le.AppendUint32(b, parent), nil
	}
	b = le.AppendUint32(b, n.links)
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, at.block)
	b = le.AppendUint32(b, parent)
	b = le.AppendUint16(b, uint16(indexes))
	b = le.AppendUint16(b, at.offset)
	b = le.AppendUint32(b, xattr)
	return typeDir + typeExtended, append(b, index...), nil
}

// list writes names in runs that share a header. The index says, about every 8 KiB,
// where a run begins and with which name, so that the kernel need not read
// everything. The size includes the entries . and .., which are not stored.
func (m *metadata) list(names []name) (size int64, index []byte, indexes int) {
	written, indexed := int64(0), int64(0)
	for len(names) > 0 {
		if written-indexed >= metaSize {
			first := names[0].name
			index = le.AppendUint32(index, uint32(written))
			index = le.AppendUint32(index, m.dirs.at().block)
			index = le.AppendUint32(index, uint32(len(first)-1))
			index = append(index, first...)
			indexed = written
			indexes++
		}
		n, b := run(names)
		m.dirs.add(b)
		written += int64(len(b))
		names = names[n:]
	}
	return written + dotsSize, index, indexes
}

// run is a header and the names after it: those whose inodes are in one block of
// metadata and have close numbers, and no more than the index can skip.
func run(names []name) (n int, b []byte) {
	base := names[0].inode
	b = make([]byte, 12)
	for _, x := range names {
		delta := int64(x.number) - int64(base.number)
		if n == dirRun || x.at.block != base.at.block || delta != int64(int16(delta)) || n > 0 && len(b)+8+len(x.name) > metaSize {
			break
		}
		b = le.AppendUint16(b, x.at.offset)
		b = le.AppendUint16(b, uint16(delta))
		b = le.AppendUint16(b, entryType(x.entry))
		b = le.AppendUint16(b, uint16(len(x.name)-1))
		b = append(b, x.name...)
		n++
	}
	le.PutUint32(b, uint32(n-1))
	le.PutUint32(b[4:], base.at.block)
	le.PutUint32(b[8:], base.number)
	return n, b
}
