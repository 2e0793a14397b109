// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// whiteout hides a name of the layers below or, if opaque, all names in a directory
// (image-spec layer.md). It never hides files of its own layer. Its path is one in the
// layers below: links of its own layer do not redirect it.
type whiteout struct {
	path   string
	opaque bool
}

// whiteout notes a member that is a whiteout. Its effect depends on the whole layer,
// whatever the order of the members.
func (x *extractor) whiteout(h *tar.Header, dir, base string) error {
	name := strings.TrimPrefix(base, WhiteoutPrefix)
	w := whiteout{path.Join(dir, name), false}
	switch {
	case base == WhiteoutOpaque && dir == "":
		x.hideAll = true
		return nil
	case base == WhiteoutOpaque:
		w = whiteout{dir, true}
	case strings.HasPrefix(base, whiteoutMeta):
		return nil // bookkeeping of aufs
	case name == "" || name == "." || name == "..":
		return errors.New("a whiteout without a name")
	}
	if x.hides[w] == nil {
		x.hides[w] = &tar.Header{ModTime: h.ModTime}
	}
	return nil
}

// applyWhiteouts applies the whiteouts, those of directories before those of names in
// them.
func (x *extractor) applyWhiteouts() error {
	x.forgetParent()
	for _, w := range slices.SortedFunc(maps.Keys(x.hides), compareWhiteouts) {
		if err := x.applyWhiteout(w); err != nil {
			return fmt.Errorf("whiteout of %q: %w", w.path, err)
		}
	}
	return nil
}

func compareWhiteouts(a, b whiteout) int {
	if a.path == b.path && a.opaque != b.opaque {
		if a.opaque {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.path, b.path)
}

func (x *extractor) applyWhiteout(w whiteout) error {
	dir := ParentOf(w.path)
	if w.opaque {
		dir = w.path
	}
	if ok, err := x.reaches(dir); !ok || err != nil {
		return err
	}
	fd, _, err := x.parent(dir, x.hides[w])
	if err != nil {
		return err
	}
	if w.opaque {
		return x.setOpaque(dir)
	}
	name := path.Base(w.path)
	if err := makeWhiteout(fd, name, x.Format.Prefix); err != unix.EEXIST {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return x.setOpaque(w.path)
	}
	return nil
}

// reaches reports whether a whiteout can be in a directory: neither the layer nor those
// below, unless hidden, have anything but directories on its path.
func (x *extractor) reaches(dir string) (bool, error) {
	hidden := x.hideAll
	for p := range prefixes(dir) {
		if x.devices[p] {
			return false, nil
		}
		fd, err := openBeneath(x.Root, p, unix.O_PATH|unix.O_NOFOLLOW)
		if err == unix.ENOENT {
			return hidden || !lowers(x.Lowers).blocks(dir, x.Format.Prefix), nil
		}
		if err == unix.ELOOP {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		unix.Close(fd)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return false, err
		}
		hidden = hidden || x.opaque[p]
	}
	return true, nil
}

// blocks reports whether, in the merged layers, something other than a directory is in
// the way of a path.
func (l lowers) blocks(rel, prefix string) bool {
	for p := range prefixes(rel) {
		var with lowers // those that have a directory here
		for _, dir := range l {
			fd, err := openBeneath(dir, p, unix.O_PATH|unix.O_NOFOLLOW)
			if err != nil {
				continue
			}
			st, err := statFD(fd, prefix)
			opaque := isOpaque(fd, prefix)
			unix.Close(fd)
			isDir := err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR
			if isDir {
				with = append(with, dir)
			}
			if !isDir && len(with) == 0 {
				return !isWhiteout(&st)
			}
			if !isDir || opaque {
				break
			}
		}
		l = with
	}
	return false
}

// setOpaque marks a directory of the layer as opaque.
func (x *extractor) setOpaque(rel string) error {
	fd, err := openBeneath(x.Root, rel, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Setxattr(fdPath(fd), x.Format.Prefix+"opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("mark as opaque: %w", err)
	}
	x.opaque[rel] = true
	return nil
}

// prefixes iterates over the parent directories of a path, from the top, and then the
// path itself; for the root, over nothing.
func prefixes(rel string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 1; i <= len(rel); i++ {
			if (i == len(rel) || rel[i] == '/') && !yield(rel[:i]) {
				return
			}
		}
	}
}
