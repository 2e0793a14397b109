// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	maxReplaced = 1000     // number of directories of a layer that other members of it replace
	maxFiles    = 16 << 20 // in a layer
)

// unpacker builds one layer in memory, in the way the store unpacks it into a
// directory: later members replace earlier ones, and symbolic links of the layer
// itself are followed, but never out of it.
type unpacker struct {
	below    *merger
	layer    int32
	plain    bool               // there are no whiteouts
	files    map[string]*member // by real path
	hides    map[whiteout]int64 // what hides names below, applied at the end; with the member's time
	hidesAll bool               // opaque marker in the root directory
	replaced int

	lastDir, lastRel string // cache of parent: a directory's name in the stream, and its path
	cached           bool
}

func newUnpacker(below *merger, layer int32) *unpacker {
	return &unpacker{below: below, layer: layer, files: map[string]*member{}, hides: map[whiteout]int64{}}
}

// finish is the layer's files in order, with its root directory.
func (u *unpacker) finish() ([]*member, error) {
	if u.files[""] == nil {
		if err := u.implicit("", 0); err != nil {
			return nil, err
		}
	}
	if err := u.applyWhiteouts(); err != nil {
		return nil, err
	}
	out := make([]*member, 0, len(u.files))
	for _, f := range u.files {
		out = append(out, f)
	}
	u.files = nil
	slices.SortFunc(out, func(a, b *member) int { return Compare(a.path, b.path) })
	return out, nil
}

func (u *unpacker) member(h *tar.Header, off int64, s *sparseFile) error {
	rel, err := memberPath(h.Name)
	if err != nil {
		return err
	}
	if err := checkNumbers(h); err != nil {
		return err
	}
	dir, base := split(rel)
	if i := strings.Index("/"+dir, "/"+whiteoutPrefix); i >= 0 && !u.plain {
		return fmt.Errorf("directory %q has the name of a whiteout", dir[i:])
	}
	if strings.HasPrefix(base, whiteoutPrefix) && !u.plain {
		if h.Size > maxWhiteout {
			return fmt.Errorf("a whiteout of %d bytes", h.Size)
		}
		return u.whiteout(h, dir, base)
	}
	if rel != "" {
		if rel, err = u.place(dir, base, h.ModTime.UnixNano()); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeLink {
		return u.link(h.Linkname, rel)
	}
	n, err := newInode(h)
	if err != nil {
		return err
	}
	n.layer, n.off, n.sparse = u.layer, off, s
	return u.put(rel, n)
}

// place is the real path of a name in a directory of the layer, which is made with
// that time, in nanoseconds since 1970, if it does not exist.
func (u *unpacker) place(dir, base string, mtime int64) (string, error) {
	dir, err := u.parent(dir, mtime)
	if err != nil {
		return "", err
	}
	rel := join(dir, base)
	if len(rel) > maxPath {
		return "", fmt.Errorf("name too long: %d bytes", len(rel))
	}
	return rel, nil
}

// split is the directory and the last component of a path.
func split(rel string) (dir, base string) {
	if i := strings.LastIndexByte(rel, '/'); i >= 0 {
		return rel[:i], rel[i+1:]
	}
	return "", rel
}

// put makes a file, replacing what the layer has there.
func (u *unpacker) put(rel string, n *inode) error {
	if rel == "" && n.kind() != Dir {
		return errors.New("the root must be a directory")
	}
	old := u.files[rel]
	switch {
	case old == nil:
		u.files[rel] = &member{path: rel, node: n}
		return u.count()
	case n.kind() == Dir && old.node.kind() == Dir: // keeps what is in it
	default:
		if err := u.remove(old); err != nil {
			return err
		}
		old = &member{path: rel}
		u.files[rel] = old
	}
	old.node = n
	return nil
}

// remove removes a file that another one replaces, and everything below it.
func (u *unpacker) remove(f *member) error {
	u.cached = false
	delete(u.files, f.path)
	if f.node.kind() != Dir {
		return nil
	}
	if u.replaced++; u.replaced > maxReplaced {
		return errors.New("too many directories replaced by other members")
	}
	for p := range u.files {
		if strings.HasPrefix(p, f.path+"/") {
			delete(u.files, p)
		}
	}
	return nil
}

// link makes another name for an earlier member of the layer, or for a file of the
// layers below.
func (u *unpacker) link(to, rel string) error {
	target, err := memberPath(to)
	if err != nil {
		return fmt.Errorf("hard link to %.200q: %w", to, err)
	}
	real, n := u.target(target)
	switch {
	case n == nil:
		return fmt.Errorf("hard link to %q: no such file", to)
	case n.kind() == Dir || real == rel:
		return fmt.Errorf("hard link to %q: the target cannot be linked", to)
	case n.kind() == Char || n.kind() == Block:
		c := *n // a device is its number, however many nodes it has
		n = &c
	default:
		n.linked = true
	}
	return u.put(rel, n)
}

// target is the file to which a hard link refers, and its real path. Symbolic links
// on the way are followed inside the layer.
func (u *unpacker) target(rel string) (string, *inode) {
	dir, base := split(rel)
	if real, err := u.resolve(dir); err == nil {
		if f := u.files[join(real, base)]; f != nil {
			return f.path, f.node
		}
	}
	if f := u.below.find(rel); f != nil && !u.hidden(rel) {
		return f.path, f.node
	}
	return "", nil
}

// parent is the real path of a directory of the layer, which is made if it does not
// exist and then has that time, in nanoseconds since 1970.
func (u *unpacker) parent(dir string, mtime int64) (string, error) {
	if u.cached && u.lastDir == dir {
		return u.lastRel, nil
	}
	rel, err := u.resolve(dir)
	if errors.Is(err, errNoDir) {
		rel, err = u.makeDirs(dir, mtime)
	}
	if err != nil {
		return "", fmt.Errorf("directory %q: %w", dir, err)
	}
	u.lastDir, u.lastRel, u.cached = dir, rel, true
	return rel, nil
}

var errNoDir = errors.New("no such directory")

// resolve is the real path of an existing directory of the layer.
func (u *unpacker) resolve(dir string) (string, error) {
	if f := u.files[dir]; dir == "" || f != nil && f.node.kind() == Dir {
		return dir, nil // a real path: everything above it is a directory, too
	}
	return follow(dir, errors.New("too many levels of symbolic links"), func(at string) (string, bool, error) {
		f := u.files[at]
		switch {
		case f == nil:
			return "", false, errNoDir
		case f.node.kind() == Dir:
			return "", false, nil
		case f.node.kind() != Symlink:
			return "", false, errNoDir
		}
		return f.node.link, true, nil
	})
}

// makeDirs makes a directory and those above it. Their paths share memory.
func (u *unpacker) makeDirs(dir string, mtime int64) (string, error) {
	for i := 0; i <= len(dir); i++ {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		full := dir[:i]
		f := u.files[full]
		switch {
		case i > maxPath:
			return "", fmt.Errorf("name too long: %d bytes", i)
		case f == nil:
			if err := u.implicit(full, mtime); err != nil {
				return "", err
			}
		case f.node.kind() == Symlink:
			real, err := u.resolve(full)
			if err != nil {
				return "", fmt.Errorf("%q is a symbolic link that leads nowhere: %w", full, err)
			}
			dir, i = strings.Trim(real+dir[i:], "/"), len(real)
		case f.node.kind() != Dir:
			return "", fmt.Errorf("%q is not a directory", full)
		}
	}
	return dir, nil
}

// implicit makes a directory for which there is no member. If a layer below has it,
// it gets that one's metadata, since the stream does not say that it has changed;
// otherwise it gets the time, in nanoseconds since 1970.
func (u *unpacker) implicit(rel string, mtime int64) error {
	at := time.Unix(0, mtime)
	n := &inode{mode: Dir | 0o755, layer: u.layer, mtime: at.Unix(), nsec: int32(at.Nanosecond())}
	if below := u.below.dirs[rel]; below != nil {
		n = below
	}
	u.files[rel] = &member{path: rel, node: n}
	return u.count()
}

// count bounds the memory for a layer.
func (u *unpacker) count() error {
	if len(u.files)+len(u.hides) > maxFiles {
		return fmt.Errorf("more than %d files", maxFiles)
	}
	return nil
}
