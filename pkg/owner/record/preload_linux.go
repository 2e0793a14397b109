// SPDX-License-Identifier: MPL-2.0

package record

import (
	"archive/tar"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Headers calls f for each member of the layers below a root, the lowest layer first.
type Headers func(f func(*tar.Header) error) error

// Preload records what the layers below a root say of its files, where they themselves
// have no record. Overlay says that the root is an overlay whose layers keep their files:
// a file that is copied up keeps its number, but not its time of birth. What is not in
// the root, or has become something else, is left out.
func (t *Table) Preload(root string, headers Headers, overlay bool) error {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("preload owners: %w", err)
	}
	defer unix.Close(dir)
	return headers(func(h *tar.Header) error {
		if h.Typeflag == tar.TypeLink {
			return nil // of a file that has a header of its own
		}
		if err := t.preload(dir, h, overlay); err != nil {
			return fmt.Errorf("preload the owner of %s: %w", h.Name, err)
		}
		return nil
	})
}

func (t *Table) preload(root int, h *tar.Header, overlay bool) error {
	name := strings.Trim(h.Name, "/")
	if name == "" {
		name = "."
	}
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	o, perm := OfHeader(h)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return err
	}
	n := inodeOf(&st)
	if overlay {
		n = Inode{Number: n.Number}
	}
	if _, ok := t.Lookup(n); o.Default() && !ok {
		return nil
	}
	return t.Put(n, o, perm, kindOf(st.Mode))
}

// OfHeader is the owner that a layer's header gives its file, and the permissions.
func OfHeader(h *tar.Header) (Owner, uint32) {
	o := Owner{UID: uint32(h.Uid), GID: uint32(h.Gid)}
	switch h.Typeflag {
	case tar.TypeChar:
		o.Kind = Char
	case tar.TypeBlock:
		o.Kind = Block
	}
	if o.Kind != "" {
		o.Major, o.Minor = uint32(h.Devmajor), uint32(h.Devminor)
	}
	return o, uint32(h.Mode) & 0o7777
}
