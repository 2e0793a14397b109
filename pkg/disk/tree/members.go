// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// entry is member for an archive that is not a tar: links of the archive itself are
// followed, and later entries replace earlier ones.
func (u *unpacker) entry(e *Entry, off int64) error {
	rel, err := memberPath(e.Path)
	if err != nil {
		return err
	}
	if rel != "" {
		dir, base := split(rel)
		if rel, err = u.place(dir, base, time.Unix(e.Mtime, int64(e.MtimeNsec)).UnixNano()); err != nil {
			return err
		}
	}
	if e.Hardlink != "" {
		return u.link(e.Hardlink, rel)
	}
	n, err := e.inode()
	if err != nil {
		return err
	}
	n.layer, n.off = u.layer, off
	return u.put(rel, n)
}

// inode is the metadata of an entry that is not a hard link. It refuses values that
// no file can have, as newInode does.
func (e *Entry) inode() (*inode, error) {
	n := &inode{
		mode: e.Mode, uid: e.UID, gid: e.GID, rdev: e.Rdev, mtime: e.Mtime, nsec: e.MtimeNsec, size: e.Size, link: e.Link,
	}
	switch {
	case e.UID == math.MaxUint32 || e.GID == math.MaxUint32:
		return nil, fmt.Errorf("owner %d:%d out of range", e.UID, e.GID)
	case e.Size < 0:
		return nil, fmt.Errorf("size %d out of range", e.Size)
	}
	switch e.Type() {
	case Regular, Dir, FIFO, Socket, Char, Block:
	case Symlink:
		n.mode = Symlink | 0o777
		if err := checkTarget(e.Link); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("unknown type, mode %#o", e.Mode)
	}
	var err error
	n.xattrs, err = keptXattrs(e.Xattrs, e.Type())
	return n, err
}

// checkTarget refuses targets that no symbolic link can have.
func checkTarget(link string) error {
	if link == "" || len(link) > maxPath || strings.ContainsRune(link, 0) {
		return fmt.Errorf("a symbolic link to %.100q", link)
	}
	return nil
}

// keptXattrs are the attributes that belong to a file of that kind.
func keptXattrs(xs []Xattr, kind uint32) ([]Xattr, error) {
	var out []Xattr
	for _, x := range xs {
		if !keptXattr(x.Name, kind) {
			continue
		}
		if x.Name == capability {
			var err error
			if x.Value, err = capabilityV2(x.Value); err != nil {
				return nil, err
			}
		}
		out = append(out, x)
	}
	return out, nil
}
