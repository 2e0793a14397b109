// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Restore restores a path of a tree, which Flatten copied from layers, to what the layers
// have, or removes it if they do not have it. A directory with changes in it stays as it
// is, and so does a directory that is not empty in place of a file. The path's parent must
// be a directory, not a link.
func Restore(tree, rel string, lowers []string, format Format, before *Stamps) error {
	top, err := openDirectory(tree)
	if err != nil {
		return err
	}
	defer unix.Close(top)
	dir, err := beneath.Open(top, ParentOf(rel), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	above, err := descend(visibleRoot(lowers, format), ParentOf(rel))
	if err != nil {
		return err
	}
	defer above.rest()
	name := path.Base(rel)
	was, ok, err := above.lookup(name)
	if err != nil {
		return err
	}
	r := &restorer{flattener{format: format, alive: func() error { return nil }, top: top, links: map[inode]string{}, content: contentCopier{buf: make([]byte, 64<<10)}, buf: make([]byte, 64<<10)}, before}
	return r.restore(dir, above, rel, name, was, ok)
}

// descend returns the directory at a path, empty if there is none.
func descend(v *visible, rel string) (*visible, error) {
	for name := range strings.SplitSeq(rel, "/") {
		if name == "" {
			continue
		}
		sub, err := v.enter(name)
		v.rest()
		if err != nil {
			return nil, err
		}
		v = sub
	}
	return v, nil
}

// restorer restores single files.
type restorer struct {
	flattener
	before *Stamps
}

func (r *restorer) restore(dir int, above *visible, rel, name string, was found, ok bool) error {
	now, err := stampOf(dir, name)
	there := err == nil
	if err != nil && err != unix.ENOENT {
		return err
	}
	isDir := there && now.mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case !there && !ok, there && ok && r.before.untouched(rel, now) && !isDir:
		return nil
	case isDir && ok && r.before.inPlace(rel, now):
		return r.restoreDir(dir, above, rel, name, &was.st)
	case isDir:
		if err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); err == unix.ENOTEMPTY || err == unix.EEXIST {
			return nil
		} else if err != nil {
			return err
		}
	case there:
		if err := unix.Unlinkat(dir, name, 0); err != nil {
			return err
		}
	}
	if !ok {
		return nil
	}
	to, err := r.directory(rel)
	if err != nil {
		return err
	}
	defer to.Close()
	if err := r.entry(above, to, name, was); err != nil {
		return fmt.Errorf("copy %s: %w", shown(rel), err)
	}
	return r.before.add(r.top, rel)
}

// directory opens the parent directory of a path level by level, as a walk does.
func (r *restorer) directory(rel string) (*beneath.Dir, error) {
	at := beneath.Root(r.top)
	for name := range strings.SplitSeq(ParentOf(rel), "/") {
		if name == "" {
			continue
		}
		sub, err := at.Enter(name)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = sub
	}
	return at, nil
}

// restoreDir restores a directory's metadata if nothing in it was changed.
func (r *restorer) restoreDir(dir int, above *visible, rel, name string, st *unix.Stat_t) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	now := &Stamps{files: map[string]stamp{}}
	if err := now.walk(beneath.Root(fd)); err != nil {
		return err
	}
	before := 0
	for p := range r.before.files {
		if strings.HasPrefix(p, rel+"/") {
			before++
		}
	}
	if before != len(now.files) {
		return nil
	}
	for p, s := range now.files {
		if r.before.files[rel+"/"+p] != s {
			return nil
		}
	}
	lower, err := above.enter(name)
	if err != nil {
		return err
	}
	defer lower.rest()
	src, _, err := lower.stat()
	if err != nil {
		return err
	}
	if err := r.format.owners().Chown(fd, "", int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	return copyMeta(src, ".", fd, ".", st, r.format, r.buf)
}
