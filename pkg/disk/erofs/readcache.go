// SPDX-License-Identifier: MPL-2.0

package erofs

import "github.com/carosio/carosbuild/pkg/disk/tree"

// cache has what a walk has read: an inode may have many names, and a shared
// attribute may be in many inodes. cost is called before something is read that may
// be large.
type cache struct {
	f      *FS
	cost   func(int64) error
	inodes map[uint64]*found
	failed map[uint64]error
	shared map[uint32]tree.Xattr // without a name: skipped
}

func newCache(f *FS, cost func(int64) error) *cache {
	return &cache{f, cost, map[uint64]*found{}, map[uint64]error{}, map[uint32]tree.Xattr{}}
}

// inode is the inode of a node id. The caller may change path and parent.
func (c *cache) inode(nid uint64) (*found, error) {
	if n, ok := c.inodes[nid]; ok {
		again := *n
		return &again, nil
	}
	if err, ok := c.failed[nid]; ok {
		return nil, err
	}
	n, err := c.f.inode(nid, c)
	if err != nil {
		c.failed[nid] = err
		return nil, err
	}
	c.inodes[nid] = n
	return n, nil
}

// xattr is a shared attribute.
func (c *cache) xattr(id uint32) (tree.Xattr, error) {
	if x, ok := c.shared[id]; ok {
		return x, nil
	}
	off := int64(c.f.super.XattrBlock)*c.f.block + 4*int64(id)
	b, err := c.f.read(off, 4)
	if err != nil {
		return tree.Xattr{}, err
	}
	size := xattrSize(b)
	if err := c.cost(xattrCost + size); err != nil {
		return tree.Xattr{}, err
	}
	if b, err = c.f.read(off, size); err != nil {
		return tree.Xattr{}, err
	}
	x, _, err := parseXattr(b)
	if err == nil {
		c.shared[id] = x
	}
	return x, err
}
