// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// ChangesOptions say what to compare a tree with.
type ChangesOptions struct {
	Lowers []string // what the tree was a copy of, top first, see Flatten
	Format Format
	Before *Stamps // of the fresh copy
	Clamp  *int64  // as in DiffOptions
}

// Changes moves what differs between a tree and the layers that it was copied from into
// the empty directory upper, on the same file system. Upper is then what the upper
// directory of an overlay mount would be after the same changes, with whiteouts and
// opaque directories. The tree cannot be used any more.
//
// A changed file that has several names, all of them below, gets an inode for each name,
// as overlay creates one when the file is written by that name.
func Changes(ctx context.Context, tree, upper string, o ChangesOptions) error {
	c := &changer{
		ChangesOptions: o, compare: comparer{o.Format, o.Clamp, make([]byte, 256<<10)}, now: &Stamps{files: map[string]stamp{}},
		linked: map[uint64]bool{}, moved: map[uint64]string{},
	}
	var err error
	if c.tree, err = openDirectory(tree); err != nil {
		return err
	}
	defer unix.Close(c.tree)
	if c.upper, err = openDirectory(upper); err != nil {
		return err
	}
	defer unix.Close(c.upper)
	if err := c.now.walk(beneath.Root(c.tree)); err != nil {
		return err
	}
	c.findLinks()
	root := visibleRoot(o.Lowers, o.Format)
	defer root.rest()
	st, err := o.Format.stat(c.tree)
	if err != nil {
		return err
	}
	made := &change{made: true}
	if err := c.dir(ctx, beneath.Root(c.tree), root, made); err != nil {
		return err
	}
	return c.look(c.tree, c.upper, &st)
}

func openDirectory(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	return fd, nil
}

// changer makes an upper directory.
type changer struct {
	ChangesOptions
	compare     comparer
	tree, upper int
	now         *Stamps
	linked      map[uint64]bool   // inodes of the copy that have got a new name
	moved       map[uint64]string // first paths in upper of inodes with several names below
}

// change is a directory of upper, which is made once something in it has changed.
type change struct {
	above *change
	rel   string
	made  bool
}

// findLinks finds the inodes of the copy that have more names than before. The first of
// the old names goes into the layer with the new ones, since a layer can only have links
// to its own files.
func (c *changer) findLinks() {
	for rel, st := range c.now.files {
		if st.mode&unix.S_IFMT != unix.S_IFDIR && st.nlink > c.Before.files[rel].nlink && c.Before.inPlace(rel, st) {
			c.linked[st.ino] = true
		}
	}
}

// dir compares a directory that the tree and the layers below have.
func (c *changer) dir(ctx context.Context, t *beneath.Dir, below *visible, to *change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fd, err := t.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", shown(t.Path()), err)
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return fmt.Errorf("list %s: %w", shown(t.Path()), err)
	}
	lower, err := below.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		was, ok := lower[name]
		delete(lower, name)
		if err := c.entry(ctx, t, below, to, name, was, ok); err != nil {
			return fmt.Errorf("compare %s: %w", shown(t.Join(name)), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lower)) {
		if _, ok := c.Before.files[t.Join(name)]; !ok {
			continue // it was not copied, so nobody can have removed it
		}
		if err := c.whiteout(to, name); err != nil {
			return fmt.Errorf("whiteout of %s: %w", shown(t.Join(name)), err)
		}
	}
	return nil
}

func (c *changer) entry(ctx context.Context, t *beneath.Dir, below *visible, to *change, name string, was found, ok bool) error {
	rel := t.Join(name)
	now := c.now.files[rel]
	if now.mode&unix.S_IFMT != unix.S_IFDIR {
		return c.file(t, below, to, name, was, ok)
	}
	if !ok || was.st.Mode&unix.S_IFMT != unix.S_IFDIR || !c.Before.inPlace(rel, now) {
		return c.replaced(t, to, name, ok && was.st.Mode&unix.S_IFMT == unix.S_IFDIR)
	}
	v, err := below.enter(name)
	if err != nil {
		return err
	}
	defer v.rest()
	sub, err := t.Enter(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	fd, err := sub.FD()
	if err != nil {
		return err
	}
	st, err := c.Format.stat(fd) // before anything is moved out
	if err != nil {
		return err
	}
	made := &change{above: to, rel: rel}
	if st.Mode != was.st.Mode || st.Uid != was.st.Uid || st.Gid != was.st.Gid {
		err = c.make(made)
	} else if !c.Before.untouched(rel, now) {
		err = c.xattrs(fd, v, &st, made)
	}
	if err != nil {
		return err
	}
	t.Rest()
	below.rest()
	if err := c.dir(ctx, sub, v, made); err != nil || !made.made {
		return err
	}
	up, err := beneath.Open(c.upper, rel, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(up)
	if fd, err = sub.FD(); err != nil {
		return err
	}
	return c.look(fd, up, &st)
}

// xattrs makes a directory in upper if its extended attributes were changed.
func (c *changer) xattrs(fd int, below *visible, st *unix.Stat_t, made *change) error {
	lower, lst, err := below.stat()
	if err != nil {
		return err
	}
	same, err := c.compare.sameXattrs(fd, ".", st, lower, ".", &lst)
	if err == nil && !same {
		err = c.make(made)
	}
	return err
}

// look gives a directory in upper the metadata that it had in the tree.
func (c *changer) look(tree, upper int, st *unix.Stat_t) error {
	return copyMeta(tree, ".", upper, ".", st, c.Format, c.compare.buf)
}

// make makes a directory in upper, and its parents.
func (c *changer) make(d *change) error {
	if d.made {
		return nil
	}
	if err := c.make(d.above); err != nil {
		return err
	}
	at, err := beneath.Open(c.upper, d.above.rel, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	d.made = true
	return unix.Mkdirat(at, path.Base(d.rel), 0o700)
}

// in makes a directory in upper and opens it.
func (c *changer) in(d *change) (int, error) {
	if err := c.make(d); err != nil {
		return -1, err
	}
	return beneath.Open(c.upper, d.rel, unix.O_PATH|unix.O_DIRECTORY)
}

func (c *changer) whiteout(to *change, name string) error {
	up, err := c.in(to)
	if err != nil {
		return err
	}
	defer unix.Close(up)
	return makeWhiteout(up, name, c.Format.Prefix)
}

// replaced moves a directory with its contents. The layers below do not have it, or have
// a different one.
func (c *changer) replaced(t *beneath.Dir, to *change, name string, hides bool) error {
	up, err := c.move(t, to, name)
	if err != nil {
		return err
	}
	defer unix.Close(up)
	if !hides {
		return nil
	}
	return unix.Lsetxattr(fdPath(up)+"/"+name, c.Format.Prefix+"opaque", []byte("y"), 0)
}

// move moves a name of the tree to upper and opens its new directory.
func (c *changer) move(t *beneath.Dir, to *change, name string) (int, error) {
	up, err := c.in(to)
	if err != nil {
		return -1, err
	}
	fd, err := t.FD()
	if err == nil {
		err = unix.Renameat(fd, name, up, name)
	}
	if err == nil {
		err = c.strip(up, name)
	}
	if err != nil {
		unix.Close(up)
		return -1, err
	}
	return up, nil
}

// file moves a file, which is not a directory, if it was changed.
func (c *changer) file(t *beneath.Dir, below *visible, to *change, name string, was found, ok bool) error {
	rel := t.Join(name)
	now := c.now.files[rel]
	old := c.Before.inPlace(rel, now)
	withNew := old && c.linked[now.ino]
	if withNew { // only the first old name goes with the new ones
		delete(c.linked, now.ino)
	} else if same, err := c.same(t, below, name, was, ok); same || err != nil {
		return err
	}
	if first := c.moved[now.ino]; old && first != "" {
		return c.apart(to, name, first)
	}
	up, err := c.move(t, to, name)
	if err != nil {
		return err
	}
	unix.Close(up)
	if old && now.nlink > 1 {
		c.moved[now.ino] = rel
	}
	return nil
}

// same reports whether a file is the same as in the layers below.
func (c *changer) same(t *beneath.Dir, below *visible, name string, was found, ok bool) (bool, error) {
	rel := t.Join(name)
	if !ok || was.st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return false, nil
	}
	if c.Before.untouched(rel, c.now.files[rel]) {
		return true, nil
	}
	fd, err := t.FD()
	if err == nil {
		err = below.open()
	}
	if err != nil {
		return false, err
	}
	st, err := c.Format.owners().Stat(fd, name)
	if err != nil {
		return false, err
	}
	if st.Nlink > 1 && !c.Before.inPlace(rel, c.now.files[rel]) {
		return false, nil // it belongs together with its other names
	}
	return c.compare.same(fd, name, &st, below.fds[was.layer], &was.st)
}

// apart makes name in upper a copy of a file that is in upper already.
func (c *changer) apart(to *change, name, first string) error {
	up, err := c.in(to)
	if err != nil {
		return err
	}
	defer unix.Close(up)
	from, err := beneath.Open(c.upper, ParentOf(first), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	base := path.Base(first)
	st, err := c.Format.owners().Stat(from, base)
	if err != nil {
		return err
	}
	f := &flattener{format: c.Format, content: contentCopier{buf: c.compare.buf}, buf: c.compare.buf}
	return f.copyAs(from, base, up, name, &st)
}

// strip removes attributes from a step's files that would have a meaning in the directory
// of a layer, such as a whiteout.
func (c *changer) strip(dir int, name string) error {
	st, err := stampOf(dir, name)
	if err != nil {
		return err
	}
	if err := stripXattrs(fdPath(dir)+"/"+name, c.Format, c.compare.buf); err != nil || st.mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return stripBelow(beneath.Root(fd), c.Format, c.compare.buf)
}
