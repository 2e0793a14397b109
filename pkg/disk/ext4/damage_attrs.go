// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// attributes checks the extended attributes and gives the blocks, or clusters,
// that they take.
func (c *checker) attributes(where string, n record) int64 {
	f, used := c.f, int64(0)
	if b := n.inodeXattrs(); b != nil {
		used += c.entries(where, n, b, 0)
	}
	at := n.acl()
	if at == 0 {
		return used
	}
	if f.s.Compat&compatExtAttr == 0 {
		c.Add(where, "it has attributes, without the feature ext_attr")
	}
	used++
	c.attrs[at]++
	if c.attrs[at] > 1 { // shared, and checked before
		return used + c.attrBlocks[at]
	}
	if !c.claim(where, at, 1) {
		return used
	}
	b, err := f.read(at)
	if err != nil {
		c.Add(where, "%v", err)
		return used
	}
	if want := f.xattrSum(b, at); f.metaSum && want != le.Uint32(b[16:]) {
		c.Add(where, "its attributes, in block %d, have the checksum %08x, and %08x is written there", at, want, le.Uint32(b[16:]))
	}
	if le.Uint32(b) != xattrMagic || le.Uint32(b[8:]) != 1 {
		c.Add(where, "there are no attributes in block %d", at)
		return used
	}
	c.attrBlocks[at] = c.entries(where, n, b, xattrBlockHeader)
	return used + c.attrBlocks[at]
}

// entries checks attributes whose entries start at off of p, and gives the
// blocks or clusters of those values that are in inodes.
func (c *checker) entries(where string, n record, p []byte, off int) int64 {
	used, end := int64(0), off
	var places []damage.Place
	err := eachXattr(p, off, 0, func(x xattr, hash uint32) {
		end += xattrEntry + pad4(len(x.name))
		if x.inum != 0 {
			used += c.value(where, n, x, hash)
			return
		}
		if len(x.value) > 0 {
			places = append(places, damage.Place{Start: int64(x.at), Len: int64(pad4(len(x.value))), What: fmt.Sprintf("its attribute %q", x.name), No: -1})
		}
		padded := make([]byte, pad4(len(x.value)))
		copy(padded, x.value)
		if !x.hashed(hash, padded) && (off > 0 || hash != 0) { // in inodes it may be left out
			c.Add(where, "the hash of its attribute %q is %08x, and %08x is written there", x.name, xattrHash(x.name, padded), hash)
		}
	})
	if err != nil {
		c.Add(where, "%v", err)
		return used
	}
	places = append(places, damage.Place{Start: int64(off), Len: int64(end + xattrEnd - off), What: "the list of its attributes", No: -1})
	damage.Overlaps(places, func(a, b damage.Place) { c.Add(where, "%s has the bytes of %s, too", a, b) })
	return used
}

// hashed reports whether hash is that of an attribute, whatever the sign of
// characters was for its writer.
func (x xattr) hashed(hash uint32, padded []byte) bool {
	if hash == xattrHash(x.name, padded) {
		return true
	}
	h := uint32(0)
	for i := range len(x.name) {
		h = h<<5 ^ h>>27 ^ uint32(int32(int8(x.name[i])))
	}
	for ; len(padded) > 0; padded = padded[4:] {
		h = h<<16 ^ h>>16 ^ le.Uint32(padded)
	}
	return hash == h
}

// value checks a value that is in an inode, and gives what it takes.
func (c *checker) value(where string, owner record, x xattr, hash uint32) int64 {
	f := c.f
	n, err := f.eaInode(x)
	if err != nil {
		c.Add(where, "%v", err)
		return 0
	}
	c.values[x.inum]++
	clusterSize := f.block * f.ratio()
	used := (int64(x.size) + clusterSize - 1) / clusterSize
	if x.hashed(hash, le.AppendUint32(nil, n.valueHash())) {
		return used
	}
	if le.Uint32(n.raw[0x10:]) == owner.ino && n.generation() == owner.generation() { // the older form, which names its owner
		c.values[x.inum] = uncounted
		return 0
	}
	c.Add(where, "the hash of its attribute %q is not that of its value in inode %d", x.name, x.inum)
	return used
}

// uncounted stands for the references to a value that does not count them.
const uncounted = 1 << 63

// valueCounts checks how many attributes have their value in an inode.
func (c *checker) valueCounts() {
	for ino, refs := range c.values {
		n, err := c.f.record(ino)
		if err != nil || refs >= uncounted {
			continue
		}
		if n.references() != refs {
			c.Add(inodeName(ino), "%d attributes have their value in it, and %d is written there", refs, n.references())
		}
	}
}

// xattrSum is the checksum that a block of attributes should have.
func (f *FS) xattrSum(b []byte, at int64) uint32 {
	p := bytes.Clone(b)
	le.PutUint32(p[16:], 0)
	return crc32c(crc32cUint32(crc32cUint32(f.seed, uint32(at)), uint32(at>>32)), p)
}

// attrCounts checks how many inodes share each block of attributes.
func (c *checker) attrCounts() {
	for at, n := range c.attrs {
		if b, err := c.f.read(at); err == nil && int(le.Uint32(b[4:])) != n {
			c.Add(fmt.Sprintf("attributes in block %d", at), "%d inodes have them, and %d is written there", n, le.Uint32(b[4:]))
		}
	}
}
