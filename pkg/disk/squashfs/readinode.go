// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"math"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// found is an inode that was read.
type found struct {
	rofs.Inode // its ID is the reference

	dir       cursor // its listing
	dirSize   int64
	blocks    []uint32 // of a file
	start     int64
	fragment  uint32
	fragStart uint32
}

// fields reads little endian numbers from the front of bytes.
type fields []byte

func (p *fields) u16() uint16 { v := le.Uint16(*p); *p = (*p)[2:]; return v }
func (p *fields) u32() uint32 { v := le.Uint32(*p); *p = (*p)[4:]; return v }
func (p *fields) u64() uint64 { v := le.Uint64(*p); *p = (*p)[8:]; return v }

// bodySize is the size of the part after the common one, by type.
var bodySize = [...]int{
	typeDir: 16, typeFile: 16, typeSymlink: 8, typeBlock: 8, typeChar: 8, typeFIFO: 4, typeSocket: 4,
	typeDir + typeExtended: 24, typeFile + typeExtended: 40, typeSymlink + typeExtended: 8, typeBlock + typeExtended: 12,
	typeChar + typeExtended: 12, typeFIFO + typeExtended: 8, typeSocket + typeExtended: 8,
}

// modes are the file types by inode type.
var modes = [...]uint32{
	typeDir: tree.Dir, typeFile: tree.Regular, typeSymlink: tree.Symlink, typeBlock: tree.Block,
	typeChar: tree.Char, typeFIFO: tree.FIFO, typeSocket: tree.Socket,
}

// inode reads the inode of a reference. cost is called before much memory is used.
func (f *FS) inode(ref uint64, cost func(int64) error) (*found, error) {
	c := cursor{f, int64(f.super.InodeTable) + int64(ref>>16), int(ref & 0xffff)}
	b, err := c.next(16)
	if err != nil {
		return nil, err
	}
	p := fields(b)
	kind := p.u16()
	if kind < typeDir || int(kind) >= len(bodySize) {
		return nil, formatError("inode of type %d", kind)
	}
	basic := (kind-1)%typeExtended + 1
	n := &found{Inode: rofs.Inode{ID: ref, Links: 1}, fragment: noFragment}
	e := &n.Entry
	e.Mode = uint32(p.u16()&0o7777) | modes[basic]
	if e.UID, err = f.owner(p.u16()); err != nil {
		return nil, err
	}
	if e.GID, err = f.owner(p.u16()); err != nil {
		return nil, err
	}
	e.Mtime = int64(p.u32())
	body, err := c.next(bodySize[kind])
	if err != nil {
		return nil, err
	}
	xattr, err := n.body(f, &c, kind, body, cost)
	if err == nil && xattr != noXattrs {
		e.Xattrs, err = f.xattrs(xattr, cost)
	}
	return n, err
}

// owner is an owner by its index.
func (f *FS) owner(i uint16) (uint32, error) {
	if i >= f.super.IDs {
		return 0, formatError("owner %d of %d", i, f.super.IDs)
	}
	b, err := f.item(f.super.IDTable, uint32(i), 4)
	if err != nil {
		return 0, err
	}
	return le.Uint32(b), nil
}

// body reads the part that depends on the type, and returns the number of the set
// of attributes.
func (n *found) body(f *FS, c *cursor, kind uint16, body []byte, cost func(int64) error) (xattr uint32, err error) {
	p, e := fields(body), &n.Entry
	switch kind {
	case typeDir:
		block := p.u32()
		n.Links, n.dirSize = p.u32(), int64(p.u16())
		n.dir = cursor{f, int64(f.super.DirTable) + int64(block), int(p.u16())}
		return noXattrs, nil
	case typeDir + typeExtended:
		n.Links, n.dirSize = p.u32(), int64(p.u32())
		n.dir = cursor{f, int64(f.super.DirTable) + int64(p.u32()), 0}
		p.u32() // parent
		p.u16() // entries of the index
		n.dir.at = int(p.u16())
		return p.u32(), nil
	case typeFile:
		n.start, n.fragment, n.fragStart = int64(p.u32()), p.u32(), p.u32()
		e.Size = int64(p.u32())
		return noXattrs, n.list(f, c, cost)
	case typeFile + typeExtended:
		n.start, e.Size = int64(p.u64()), int64(p.u64())
		p.u64() // bytes in holes
		n.Links, n.fragment, n.fragStart, xattr = p.u32(), p.u32(), p.u32(), p.u32()
		return xattr, n.list(f, c, cost)
	}
	n.Links = p.u32()
	switch kind {
	case typeSymlink, typeSymlink + typeExtended:
		size := p.u32()
		if size == 0 || size > math.MaxUint16 {
			return 0, formatError("symbolic link of %d bytes", size)
		}
		b, err := c.next(int(size))
		if err != nil {
			return 0, err
		}
		e.Link = string(b)
		if kind > typeExtended {
			b, err := c.next(4)
			if err != nil {
				return 0, err
			}
			return le.Uint32(b), nil
		}
	case typeBlock, typeChar, typeBlock + typeExtended, typeChar + typeExtended:
		d := p.u32()
		e.Rdev = tree.Device{Major: d >> 8 & 0xfff, Minor: d&0xff | d>>12&0xfff00}
	}
	if len(p) == 4 {
		return p.u32(), nil
	}
	return noXattrs, nil
}

// list reads the list of a file's blocks.
func (n *found) list(f *FS, c *cursor, cost func(int64) error) error {
	size, block := n.Entry.Size, int64(f.super.BlockSize)
	if size < 0 || n.start < 0 {
		return formatError("file of %d bytes at %d", size, n.start)
	}
	blocks := size / block
	if n.fragment == noFragment && size%block != 0 {
		blocks++
	}
	if err := cost(12 * blocks); err != nil {
		return err
	}
	for at := int64(0); at < blocks; {
		k := min(blocks-at, metaSize/4)
		b, err := c.next(int(4 * k))
		if err != nil {
			return err
		}
		for ; len(b) > 0; b = b[4:] {
			n.blocks = append(n.blocks, le.Uint32(b))
		}
		at += k
	}
	return nil
}

// xattrs reads a set of attributes.
func (f *FS) xattrs(id uint32, cost func(int64) error) ([]tree.Xattr, error) {
	if f.super.XattrTable == noTable {
		return nil, formatError("attributes without a table")
	}
	head, err := f.read(int64(f.super.XattrTable), 16)
	if err != nil {
		return nil, err
	}
	if id >= le.Uint32(head[8:]) {
		return nil, formatError("attributes %d of %d", id, le.Uint32(head[8:]))
	}
	base := int64(le.Uint64(head))
	b, err := f.item(f.super.XattrTable+16, id, xattrID)
	if err != nil {
		return nil, err
	}
	p := fields(b)
	ref, count := p.u64(), p.u32()
	c := cursor{f, base + int64(ref>>16), int(ref & 0xffff)}
	var out []tree.Xattr
	for range count {
		x, err := f.xattr(&c, base)
		if err == nil {
			err = cost(64 + int64(len(x.Name)) + int64(len(x.Value)))
		}
		if err != nil {
			return out, err
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// xattr reads one attribute.
func (f *FS) xattr(c *cursor, base int64) (tree.Xattr, error) {
	b, err := c.next(4)
	if err != nil {
		return tree.Xattr{}, err
	}
	kind, size := le.Uint16(b), le.Uint16(b[2:])
	name, err := c.next(int(size))
	if err == nil {
		b, err = c.next(4)
	}
	if err != nil {
		return tree.Xattr{}, err
	}
	if int(kind&0xff) >= len(xattrPrefixes) || le.Uint32(b) > maxValue {
		return tree.Xattr{}, formatError("attribute of type %d and %d bytes", kind, le.Uint32(b))
	}
	value, err := c.next(int(le.Uint32(b)))
	if err == nil && kind&0x100 != 0 { // it is stored elsewhere
		if len(value) != 8 {
			return tree.Xattr{}, formatError("reference of %d bytes", len(value))
		}
		ref := le.Uint64(value)
		far := cursor{f, base + int64(ref>>16), int(ref & 0xffff)}
		if b, err = far.next(4); err == nil && le.Uint32(b) > maxValue {
			err = formatError("attribute of %d bytes", le.Uint32(b))
		}
		if err == nil {
			value, err = far.next(int(le.Uint32(b)))
		}
	}
	return tree.Xattr{Name: xattrPrefixes[kind&0xff] + string(name), Value: value}, err
}
