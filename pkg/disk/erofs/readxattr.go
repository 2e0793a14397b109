// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// xattrCost is the memory for an attribute besides its bytes.
const xattrCost = 64

// xattrs reads the attributes that follow an inode: those that several files share,
// by number, and its own. Those that are skipped cost as much as others, since they
// are read, too.
func (f *FS) xattrs(off, size int64, c *cache) ([]tree.Xattr, error) {
	if err := c.cost(size); err != nil {
		return nil, err
	}
	b, err := f.read(off, size)
	if err != nil {
		return nil, err
	}
	shared := int64(b[4])
	if xattrHeader+4*shared > size {
		return nil, formatError("%d shared attributes in %d bytes", shared, size)
	}
	var out []tree.Xattr
	add := func(x tree.Xattr, size int64) error {
		if err := c.cost(xattrCost + size); err != nil {
			return err
		}
		if x.Name != "" { // else of a kind that the kernel skips, too
			out = append(out, x)
		}
		return nil
	}
	for i := range shared {
		x, err := c.xattr(le.Uint32(b[xattrHeader+4*i:]))
		if err == nil {
			err = add(x, 0)
		}
		if err != nil {
			return out, err
		}
	}
	for b = b[xattrHeader+4*shared:]; len(b) > 0; {
		x, n, err := parseXattr(b)
		if err == nil {
			err = add(x, n)
		}
		if err != nil {
			return out, err
		}
		b = b[n:]
	}
	slices.SortFunc(out, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := range len(out) - 1 {
		if out[i].Name == out[i+1].Name {
			return out, formatError("the attribute %q is there twice", out[i].Name)
		}
	}
	return slices.Clip(out), nil // several names may have them
}

// xattrSize is the size of an attribute by its first 4 bytes.
func xattrSize(b []byte) int64 { return up(4+int64(b[0])+int64(le.Uint16(b[2:])), 4) }

// parseXattr parses the attribute at the beginning of b, and returns its size.
func parseXattr(b []byte) (tree.Xattr, int64, error) {
	if len(b) < 4 || xattrSize(b) > int64(len(b)) {
		return tree.Xattr{}, 0, formatError("an attribute ends behind the %d bytes for it", len(b))
	}
	size, short, prefix := xattrSize(b), int(b[0]), int(b[1])
	if prefix >= len(xattrPrefixes) || xattrPrefixes[prefix] == "" || (short == 0) != isACL(prefix) {
		return tree.Xattr{}, 0, formatError("attribute of type %d with a name of %d bytes", prefix, short)
	}
	if xattrPrefixes[prefix] == "lustre." {
		return tree.Xattr{}, size, nil
	}
	name := xattrPrefixes[prefix] + string(b[4:4+short])
	if strings.IndexByte(name, 0) >= 0 {
		return tree.Xattr{}, 0, formatError("attribute %q", name)
	}
	return tree.Xattr{Name: name, Value: slices.Clone(b[4+short : 4+short+int(le.Uint16(b[2:]))])}, size, nil
}
