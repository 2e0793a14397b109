// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

const (
	paxXattr   = "SCHILY.xattr."
	capability = "security.capability"

	maxName = 255  // bytes of one component of a path, NAME_MAX
	maxPath = 4095 // bytes of a path or of a link's target, PATH_MAX without its NUL
)

// inode is what the names of one file share. It is smaller than an Entry, since
// layers have more of them than the Tree that results.
type inode struct {
	mode, uid, gid uint32
	nsec           int32
	rdev           Device
	mtime          int64
	size, off      int64 // offset of the content in its layer
	link           string
	data           []Range
	xattrs         []Xattr
	sparse         *sparseFile // the content, if it is not contiguous in its layer
	layer          int32
	linked         bool // may have several names
}

func (n *inode) kind() uint32 { return n.mode & TypeMask }

// newInode is the metadata of a tar member other than a hard link. It refuses
// numbers that no file can have, so that nothing overflows.
func newInode(h *tar.Header) (*inode, error) {
	if err := checkNumbers(h); err != nil {
		return nil, err
	}
	kind, err := memberType(h.Typeflag)
	if err != nil {
		return nil, err
	}
	n := &inode{
		mode: kind | uint32(h.Mode&0o7777), uid: uint32(h.Uid), gid: uint32(h.Gid),
		mtime: h.ModTime.Unix(), nsec: int32(h.ModTime.Nanosecond()),
	}
	switch kind {
	case Regular:
		n.size = h.Size
	case Symlink:
		n.link, n.mode = h.Linkname, Symlink|0o777 // links have no mode
		if err := checkTarget(n.link); err != nil {
			return nil, err
		}
	case Char, Block:
		if !fits(h.Devmajor) || !fits(h.Devminor) {
			return nil, fmt.Errorf("device number %d:%d out of range", h.Devmajor, h.Devminor)
		}
		n.rdev = Device{uint32(h.Devmajor), uint32(h.Devminor)}
	}
	n.xattrs, err = memberXattrs(h.PAXRecords, kind)
	return n, err
}

func fits(n int64) bool { return n >= 0 && n <= math.MaxUint32 }

func checkNumbers(h *tar.Header) error {
	switch {
	case h.Uid < 0 || h.Gid < 0 || int64(h.Uid) >= math.MaxUint32 || int64(h.Gid) >= math.MaxUint32:
		return fmt.Errorf("owner %d:%d out of range", h.Uid, h.Gid)
	case h.Mode < 0 || h.Mode > 0o177777:
		return fmt.Errorf("mode %o out of range", h.Mode)
	case h.Size < 0:
		return fmt.Errorf("size %d out of range", h.Size)
	}
	return nil
}

func memberType(flag byte) (uint32, error) {
	switch flag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return Regular, nil
	case tar.TypeDir:
		return Dir, nil
	case tar.TypeSymlink:
		return Symlink, nil
	case tar.TypeChar:
		return Char, nil
	case tar.TypeBlock:
		return Block, nil
	case tar.TypeFifo:
		return FIFO, nil
	}
	return 0, fmt.Errorf("unknown type %q", flag)
}

// memberXattrs are the attributes that belong to the files: none of overlay's and
// of the ownership records of storages, and none that Linux does not allow on files
// of that kind.
func memberXattrs(records map[string]string, kind uint32) ([]Xattr, error) {
	var all []Xattr
	for _, k := range slices.Sorted(maps.Keys(records)) {
		if name, ok := strings.CutPrefix(k, paxXattr); ok {
			all = append(all, Xattr{Name: name, Value: []byte(records[k])})
		}
	}
	return keptXattrs(all, kind)
}

func keptXattr(name string, kind uint32) bool {
	device := kind == Char || kind == Block
	switch {
	case privateXattr(name):
		return false
	case name == capability:
		return !device
	case name == aclPrefix+"access":
		return !device && kind != Symlink
	case name == aclPrefix+"default":
		return kind == Dir
	case strings.HasPrefix(name, "user."):
		return kind == Regular || kind == Dir
	}
	return true
}

// privateXattr reports whether an attribute has a meaning only for a machine's
// storage, and none for the files.
func privateXattr(name string) bool {
	for _, p := range []string{"user.overlay.", "trusted.overlay.", "user.containers.", "user.fuseoverlayfs.", "user.carosbuild."} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// capabilityV2 converts a capability of version 3 (linux/capability.h) that belongs
// to the superuser into one of version 2, as the kernel does, too.
func capabilityV2(v []byte) ([]byte, error) {
	const rev2, rev3, mask = 0x02000000, 0x03000000, 0xFF000000
	if len(v) != 20 && len(v) != 24 {
		return nil, fmt.Errorf("%s of %d bytes", capability, len(v))
	}
	magic := binary.LittleEndian.Uint32(v)
	switch {
	case magic&mask == rev2 && len(v) == 20:
		return v, nil
	case magic&mask == rev3 && len(v) == 24 && binary.LittleEndian.Uint32(v[20:]) == 0:
		out := slices.Clone(v[:20])
		binary.LittleEndian.PutUint32(out, magic&^mask|rev2)
		return out, nil
	case magic&mask == rev3 && len(v) == 24:
		return v, nil // of another namespace's superuser
	}
	return nil, fmt.Errorf("%s of version %d", capability, magic>>24)
}

// memberPath is a member's path below the root, "" for the root itself.
func memberPath(name string) (string, error) {
	if strings.ContainsRune(name, 0) {
		return "", errors.New("NUL in a name")
	}
	if len(name) > maxPath+maxName+1 { // checked before any work is done for it
		return "", errors.New("name too long")
	}
	parts := make([]string, 0, 16)
	for p := range strings.SplitSeq(name, "/") {
		switch {
		case p == "" || p == ".":
			continue
		case p == "..":
			return "", errors.New(`".." in a name`)
		case len(p) > maxName:
			return "", fmt.Errorf("name too long: a part of %d bytes", len(p))
		}
		parts = append(parts, p)
	}
	out := strings.Join(parts, "/")
	if len(out) > maxPath {
		return "", fmt.Errorf("name too long: %d bytes", len(out))
	}
	return out, nil
}
