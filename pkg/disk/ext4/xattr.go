// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// xattr is an extended attribute with ext4's name and form of value.
type xattr struct {
	index byte
	name  string
	value []byte
	at    int    // offset of the value in the data that was read
	inum  uint32 // inode that contains the value, if it is stored there
	size  uint32 // size of that value
}

// Name indexes; the first two stand for the whole name.
const (
	xattrACLAccess  = 2
	xattrACLDefault = 3
)

var xattrPrefixes = []struct {
	prefix string
	index  byte
}{{"user.", 1}, {"trusted.", 4}, {"security.", 6}}

// HoldsXattr reports whether the format can store extended attributes of that name,
// if they are not too large.
func HoldsXattr(name string) bool {
	if strings.HasPrefix(name, "system.") {
		return name == "system.posix_acl_access" || name == "system.posix_acl_default"
	}
	_, err := newXattr(tree.Xattr{Name: name})
	return err == nil
}

// newXattr splits the name and converts access control lists.
func newXattr(x tree.Xattr) (xattr, error) {
	switch x.Name {
	case "system.posix_acl_access", "system.posix_acl_default":
		value, err := diskACL(x.Value)
		if err != nil {
			return xattr{}, fmt.Errorf("%w: %s: %w", ErrXattr, x.Name, err)
		}
		index := byte(xattrACLAccess)
		if x.Name == "system.posix_acl_default" {
			index = xattrACLDefault
		}
		return xattr{index: index, value: value}, nil
	}
	for _, p := range xattrPrefixes {
		name, ok := strings.CutPrefix(x.Name, p.prefix)
		if ok && name != "" && len(name) <= maxName && strings.IndexByte(name, 0) < 0 {
			return xattr{index: p.index, name: name, value: x.Value}, nil
		}
	}
	return xattr{}, fmt.Errorf("%w: ext4 has no place for the name %q", ErrXattr, x.Name)
}

// space is the size of entry and value.
func (x *xattr) space() int { return xattrEntry + pad4(len(x.name)) + pad4(len(x.value)) }

func pad4(n int) int { return (n + 3) &^ 3 }

// splitXattrs decides which attributes are stored in the inode and which in a block
// of their own: in the order that the kernel requires, as many as fit into the
// inode, the rest in the block.
func splitXattrs(xs []tree.Xattr) (inode, block []xattr, err error) {
	all := make([]xattr, 0, len(xs))
	for _, x := range xs {
		y, err := newXattr(x)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, y)
	}
	slices.SortFunc(all, func(a, b xattr) int { // the order of ext4_xattr_find_entry
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	inodeSpace, blockSpace := xattrInodeSpace-xattrEnd, xattrBlockSpace-xattrEnd
	for i, x := range all {
		if i > 0 && x.index == all[i-1].index && x.name == all[i-1].name {
			return nil, nil, fmt.Errorf("%w: %q appears twice", ErrXattr, x.name)
		}
		switch n := x.space(); {
		case n <= inodeSpace:
			inode, inodeSpace = append(inode, x), inodeSpace-n
		case n <= blockSpace:
			block, blockSpace = append(block, x), blockSpace-n
		default:
			return nil, nil, fmt.Errorf("%w: %d bytes are left for %q, it takes %d", ErrXattrSize, blockSpace, x.name, n)
		}
	}
	return inode, block, nil
}

// putInodeXattrs writes the attributes in the body of an inode, from offset 160 on.
// Their hashes stay 0, as with mke2fs.
func putInodeXattrs(body []byte, xs []xattr) {
	if len(xs) == 0 {
		return
	}
	le.PutUint32(body, xattrMagic)
	putXattrs(body[4:], 0, xs, nil)
}

// putXattrBlock writes an attribute block without its checksum.
func putXattrBlock(p []byte, xs []xattr) {
	le.PutUint32(p, xattrMagic)
	le.PutUint32(p[4:], 1) // references
	le.PutUint32(p[8:], 1) // blocks
	hash := uint32(0)
	putXattrs(p, xattrBlockHeader, xs, &hash)
	le.PutUint32(p[12:], hash)
}

// sumXattrBlock writes the checksum of the attribute block with number at.
func sumXattrBlock(p []byte, seed uint32, at int64) {
	sum := crc32cUint32(crc32cUint32(seed, uint32(at)), uint32(at>>32))
	le.PutUint32(p[16:], crc32c(sum, p))
}

// putXattrs writes entries from off on and values from the end of p; offsets of
// values count from the start of p. hash, unless nil, becomes the hash of all
// entries (ext4_xattr_rehash).
func putXattrs(p []byte, off int, xs []xattr, hash *uint32) {
	end := len(p)
	for _, x := range xs {
		e := p[off:]
		e[0], e[1] = byte(len(x.name)), x.index
		if len(x.value) > 0 {
			end -= pad4(len(x.value))
			le.PutUint16(e[2:], uint16(end))
			copy(p[end:], x.value)
		}
		le.PutUint32(e[8:], uint32(len(x.value)))
		copy(e[xattrEntry:], x.name)
		if hash != nil {
			h := xattrHash(x.name, p[end:end+pad4(len(x.value))])
			le.PutUint32(e[12:], h)
			*hash = *hash<<16 ^ *hash>>16 ^ h
		}
		off += xattrEntry + pad4(len(x.name))
	}
}

// xattrHash is the hash of an entry; padded is its value, padded to 4 bytes.
func xattrHash(name string, padded []byte) uint32 {
	h := uint32(0)
	for i := range len(name) {
		h = h<<5 ^ h>>27 ^ uint32(name[i])
	}
	for ; len(padded) > 0; padded = padded[4:] {
		h = h<<16 ^ h>>16 ^ le.Uint32(padded)
	}
	return h
}
