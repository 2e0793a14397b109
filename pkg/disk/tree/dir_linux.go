// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Source is an open directory from which Trees are read. It must stay open as long
// as their contents are used.
type Source struct {
	fd     int
	name   string
	owners Owners // nil asks the kernel
}

// Owners returns the metadata of files if the kernel does not know it:
// owner.Policy.
type Owners interface {
	// Stat returns the metadata of a name in an open directory, "" for the
	// directory itself.
	Stat(dir int, name string) (unix.Stat_t, error)
	// Xattr returns the value of an attribute from its stored form.
	Xattr(path, attr string, stored []byte) ([]byte, error)
}

// OpenDirOf is OpenDir for a directory whose owners are recorded elsewhere.
func OpenDirOf(name string, owners Owners) (*Source, error) {
	s, err := OpenDir(name)
	if err == nil {
		s.owners = owners
	}
	return s, err
}

// stat returns the metadata of a name in an open directory, "" for the directory
// itself.
func (d *Source) stat(fd int, name string) (st unix.Stat_t, err error) {
	switch {
	case d.owners != nil:
		return d.owners.Stat(fd, name)
	case name == "":
		err = unix.Fstat(fd, &st)
	default:
		err = unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	return st, err
}

// OpenDir opens a directory to read Trees from.
func OpenDir(name string) (*Source, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &Source{fd: fd, name: name}, nil
}

// Close releases the directory.
func (d *Source) Close() error { return unix.Close(d.fd) }

// Read walks the directory and returns it as a Tree, with owners as the calling
// process sees them. Links are not followed and nothing outside is touched. Times
// later than clamp, in seconds since 1970, become clamp; 0 leaves them. Data ranges
// depend on the contents alone, in blocks of HoleSize: a file's layout on the host
// does not matter. jobs is how many directories are read at a time.
func (d *Source) Read(ctx context.Context, clamp int64, jobs int) (*Tree, error) {
	// A reader that waits for the directories below keeps its slot: there have to
	// be more.
	w := &walker{dir: d, clamp: clamp, slots: make(chan struct{}, max(4*jobs-1, 0))}
	root, err := w.entry(d.fd, "", "")
	if err != nil {
		return nil, fmt.Errorf("read directory tree: %w", err)
	}
	if root.entry.Type() != Dir {
		return nil, fmt.Errorf("read directory tree: %s is not a directory", d.name)
	}
	if root.below = w.list(ctx, ""); root.below.err != nil {
		return nil, fmt.Errorf("read directory tree: %w", root.below.err)
	}
	return assemble(&listing{nodes: []node{root}}), nil
}

// listing is the sorted content of a directory, or why it is not known. A directory
// tree stays in these pieces until it is complete: with many files, each
// intermediate copy of their entries would matter.
type listing struct {
	nodes []node
	err   error
}

// node is an entry. If inode is set, it may have other names.
type node struct {
	entry Entry
	inode *inodeID
	below *listing // of a directory
}

type inodeID struct{ dev, ino uint64 }

func (l *listing) count() int {
	n := len(l.nodes)
	for i := range l.nodes {
		if b := l.nodes[i].below; b != nil {
			n += b.count()
		}
	}
	return n
}

// assemble makes a Tree from a listing, which it empties meanwhile. Of hard links,
// the first name in order is the file.
func assemble(l *listing) *Tree {
	a := assembly{&Tree{Entries: make([]Entry, 0, l.count())}, map[inodeID]string{}}
	a.add(l)
	return a.tree
}

type assembly struct {
	tree  *Tree
	first map[inodeID]string
}

func (a *assembly) add(l *listing) {
	nodes := l.nodes
	l.nodes = nil
	for _, n := range nodes {
		if n.inode != nil {
			if name, ok := a.first[*n.inode]; ok {
				n.entry = Entry{Path: n.entry.Path, Hardlink: name}
			} else {
				a.first[*n.inode] = n.entry.Path
			}
		}
		a.tree.Entries = append(a.tree.Entries, n.entry)
		if n.below != nil {
			a.add(n.below)
		}
	}
}

type walker struct {
	dir   *Source
	clamp int64
	slots chan struct{} // one for each directory that is read in parallel with the caller's
}

// list reads everything below the directory path, in Compare order. No directory
// stays open while its subdirectories are read: there may be more levels than
// descriptors.
func (w *walker) list(ctx context.Context, path string) *listing {
	if err := ctx.Err(); err != nil {
		return &listing{err: err}
	}
	nodes, err := w.nodes(path)
	if err != nil {
		return &listing{err: err}
	}
	out := &listing{nodes: nodes} // is not moved any more
	var wg sync.WaitGroup
	for i := range nodes {
		dir := &nodes[i]
		if dir.entry.Type() != Dir {
			continue
		}
		select {
		case w.slots <- struct{}{}:
			wg.Go(func() {
				defer func() { <-w.slots }()
				dir.below = w.list(ctx, dir.entry.Path)
			})
		default:
			dir.below = w.list(ctx, dir.entry.Path)
		}
	}
	wg.Wait()
	for _, n := range nodes {
		if n.below != nil && n.below.err != nil {
			return n.below
		}
	}
	return out
}

// nodes are the entries of the directory path.
func (w *walker) nodes(path string) ([]node, error) {
	fd, err := beneath.Open(w.dir.fd, path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	names, err := readNames(fd)
	if err != nil {
		return nil, &os.PathError{Op: "readdir", Path: path, Err: err}
	}
	out := make([]node, 0, len(names))
	for _, name := range names {
		n, err := w.entry(fd, name, join(path, name))
		if errors.Is(err, unix.ENOENT) {
			continue // overlay lists a whiteout without a lower file, although it does not exist
		}
		if err != nil {
			return nil, err
		}
		if n.entry.Type() == Char && n.entry.Rdev == (Device{}) {
			continue // and shows one if there is a single layer
		}
		out = append(out, n)
	}
	return out, nil
}

// readNames are the names in a directory in byte order.
func readNames(fd int) ([]string, error) {
	buf := make([]byte, 32<<10)
	var names []string
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			sort.Strings(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// entry reads the metadata of name in the directory fd; an empty name is the
// directory itself.
func (w *walker) entry(fd int, name, path string) (node, error) {
	proc := fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
	if name == "" {
		proc += "."
	}
	st, err := w.dir.stat(fd, name)
	if err != nil {
		return node{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	e := Entry{Path: path, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: st.Mtim.Sec, MtimeNsec: int32(st.Mtim.Nsec)}
	e.clampTime(w.clamp)
	switch e.Type() {
	case Symlink:
		if e.Link, err = readLink(fd, name, int(st.Size)); err != nil {
			return node{}, &os.PathError{Op: "readlink", Path: path, Err: err}
		}
	case Char, Block:
		e.Rdev = Device{unix.Major(st.Rdev), unix.Minor(st.Rdev)}
	case Regular:
		if e.Size = st.Size; e.Size > 0 {
			f := &dirFile{dir: w.dir, path: path}
			e.Content = f
			if e.Data, err = f.ranges(e.Size); err != nil {
				return node{}, err
			}
		}
	}
	if e.Xattrs, err = w.dir.xattrs(proc); err != nil {
		return node{}, &os.PathError{Op: "read attributes of", Path: path, Err: err}
	}
	n := node{entry: e}
	if st.Nlink > 1 && e.Type() != Dir {
		n.inode = &inodeID{st.Dev, st.Ino}
	}
	return n, nil
}

func readLink(fd int, name string, size int) (string, error) {
	for n := size + 1; ; n *= 2 {
		b := make([]byte, max(n, 128))
		k, err := unix.Readlinkat(fd, name, b)
		if err != nil {
			return "", err
		}
		if k < len(b) {
			return string(b[:k]), nil
		}
	}
}

// namespaceXattr reports whether a user namespace can give a file an attribute.
// Other attributes of a file belong to the host, such as the label of its security
// module; those of an image come from its layers, see WithXattrs.
func namespaceXattr(name string) bool {
	return name == capability || strings.HasPrefix(name, aclPrefix) || strings.HasPrefix(name, "user.") && !privateXattr(name)
}

// xattrs reads the extended attributes that belong to the tree.
func (d *Source) xattrs(path string) ([]Xattr, error) {
	n, err := unix.Llistxattr(path, nil)
	if n == 0 || err == unix.ENOTSUP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list := make([]byte, n+256)
	if n, err = unix.Llistxattr(path, list); err != nil {
		return nil, err
	}
	var out []Xattr
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		if !namespaceXattr(name) {
			continue
		}
		value := make([]byte, 64<<10)
		k, err := unix.Lgetxattr(path, name, value)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		shown := slices.Clone(value[:k])
		if d.owners != nil {
			shown, err = d.owners.Xattr(path, name, shown)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, Xattr{Name: name, Value: shown})
	}
	slices.SortFunc(out, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
