// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// xattrName is the full name of an attribute, or "" for an internal one of the file
// system.
func xattrName(index byte, name string) string {
	switch index {
	case xattrACLAccess:
		return "system.posix_acl_access"
	case xattrACLDefault:
		return "system.posix_acl_default"
	}
	for _, p := range xattrPrefixes {
		if p.index == index {
			return p.prefix + name
		}
	}
	return ""
}

// eachXattr calls f for the attributes whose entries start at off in p; offsets of
// values count from byte base.
func eachXattr(p []byte, off, base int, each func(x xattr, hash uint32)) error {
	first := off
	for n := 0; ; n++ {
		if len(p)-off < 4 {
			return formatError("extended attributes have no end")
		}
		if le.Uint32(p[off:]) == 0 {
			return nil
		}
		e := p[off:]
		if len(e) < xattrEntry || len(e) < xattrEntry+int(e[0]) {
			return formatError("an extended attribute's name leaves its block")
		}
		at, size := int(le.Uint16(e[2:]))+base, le.Uint32(e[8:])
		x := xattr{index: e[1], name: string(e[xattrEntry : xattrEntry+int(e[0])])}
		switch {
		case le.Uint32(e[4:]) != 0:
			x.inum, x.size = le.Uint32(e[4:]), size
		case size > uint32(len(p)) || size > 0 && (at < first || at+int(size) > len(p)):
			return formatError("the value of an extended attribute, %d bytes at %d, leaves its block", size, at)
		case size > 0:
			x.at, x.value = at, p[at:at+int(size)]
		}
		each(x, le.Uint32(e[12:]))
		off += xattrEntry + pad4(int(e[0]))
	}
}

// inodeXattrs is the part of an inode with attributes, or nil.
func (n record) inodeXattrs() []byte {
	at := oldInodeSize + n.extra()
	if n.extra()%4 != 0 || at+8 > len(n.raw) || le.Uint32(n.raw[at:]) != xattrMagic {
		return nil
	}
	return n.raw[at+4:]
}

// xattrs are an inode's extended attributes.
func (f *FS) xattrs(n record) ([]tree.Xattr, error) {
	var out []tree.Xattr
	var verr error
	add := func(x xattr, _ uint32) {
		name, value := xattrName(x.index, x.name), x.value
		if x.inum != 0 {
			var err error
			if value, err = f.eaValue(x); err != nil {
				verr = err
				return
			}
		}
		if x.index == xattrACLAccess || x.index == xattrACLDefault {
			value = treeACL(value)
		}
		if name != "" {
			out = append(out, tree.Xattr{Name: name, Value: slices.Clone(value)})
		}
	}
	if b := n.inodeXattrs(); b != nil {
		if err := eachXattr(b, 0, 0, add); err != nil {
			return nil, fmt.Errorf("inode %d: %w", n.ino, err)
		}
	}
	if n.acl() != 0 {
		b, err := f.read(n.acl())
		if err != nil {
			return nil, fmt.Errorf("inode %d: attributes: %w", n.ino, err)
		}
		if le.Uint32(b) != xattrMagic {
			return nil, formatError("inode %d: block %d has no attributes", n.ino, n.acl())
		}
		if err := eachXattr(b, xattrBlockHeader, 0, add); err != nil {
			return nil, fmt.Errorf("inode %d: %w", n.ino, err)
		}
	}
	if verr != nil {
		return nil, fmt.Errorf("inode %d: %w", n.ino, verr)
	}
	slices.SortFunc(out, func(a, b tree.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// treeACL converts a list from ext4's form to that of system calls; of a damaged
// list, it returns the part before the damage.
func treeACL(v []byte) []byte {
	out := le.AppendUint32(nil, aclXattrVersion)
	if len(v) < 4 {
		return out
	}
	for v = v[4:]; len(v) >= 4; {
		out = append(out, v[:4]...)
		tag := le.Uint16(v)
		v = v[4:]
		if tag != aclUser && tag != aclGroup {
			out = le.AppendUint32(out, ^uint32(0))
			continue
		}
		if len(v) < 4 {
			return out[:len(out)-4]
		}
		out = append(out, v[:4]...)
		v = v[4:]
	}
	return out
}
