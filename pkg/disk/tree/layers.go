// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Layer is one layer of an image: an uncompressed tar stream.
type Layer struct {
	Name string      // for messages, such as "layer" and its digest
	Tar  io.ReaderAt // safe for concurrent use; used as long as the Tree's contents are
	Size int64
	// Plain says that it is an archive of a root file system, without whiteouts,
	// whatever names look like them.
	Plain bool
	// Members, unless nil, iterates over the content of Tar, which then is an
	// archive of another kind: entries as in a Tree, in any order, and the offset
	// in Tar of each file's content. Such an archive has no whiteouts.
	Members func(each func(e *Entry, off int64) error) error
	// Note, unless nil, is called for what is valid but probably a mistake: a directory
	// in place of a link to one.
	Note func(text string)
}

// Merge is the root file system that results from layers, the lowest first, read
// from their tar headers alone (image-spec layer.md): the same Tree that Read
// returns for the layers unpacked and mounted over each other, with device nodes.
// The streams may be hostile. Names stay below the root; what cannot be represented
// is an error that names layer and member. Clamp and jobs are as for Read: contents
// are read once, to find out where they are zero.
func Merge(ctx context.Context, layers []Layer, clamp int64, jobs int) (*Tree, error) {
	m := &merger{dirs: map[string]*inode{}}
	for i, l := range layers {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := m.add(int32(i), l); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Name, err)
		}
	}
	if len(layers) == 0 {
		m.files = []*member{{node: &inode{mode: Dir | 0o755}}}
	}
	if err := m.findHoles(ctx, layers, jobs); err != nil {
		return nil, err
	}
	return m.tree(layers, clamp), nil
}

// member is a name in a layer, or in the result of the layers below.
type member struct {
	path     string
	node     *inode // nil: a whiteout
	hidesAll bool   // an opaque directory, when its layer is applied: it has nothing of those below
}

// merger has the result of the layers so far.
type merger struct {
	files []*member         // in Compare order, without whiteouts
	dirs  map[string]*inode // the topmost layer's directory of each path, though it may be hidden
}

// add applies a layer.
func (m *merger) add(index int32, l Layer) error {
	u := newUnpacker(m, index)
	u.plain = l.Plain
	var err error
	if l.Members != nil {
		err = l.Members(u.entry)
	} else {
		err = eachMember(l.Tar, l.Size, u.member)
	}
	if err != nil {
		return err
	}
	files, err := u.finish()
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.node != nil && f.node.kind() == Dir {
			m.dirs[f.path] = f.node
		}
	}
	if l.Note != nil {
		m.noteLinks(files, l.Note)
	}
	if u.hidesAll {
		m.files = nil
	}
	m.files = overlay(m.files, files)
	return nil
}

// noteLinks reports directories of a layer that replace links below, as in an
// archive that was made without knowing of them: what the link led to is no longer
// found under that name.
func (m *merger) noteLinks(files []*member, note func(string)) {
	for _, f := range files {
		if f.node == nil || f.node.kind() != Dir {
			continue
		}
		if old := m.find(f.path); old != nil && old.node.kind() == Symlink {
			note(fmt.Sprintf("%q is a link to %q in the layers below and a directory in this one: what the link leads to is no longer found there", "/"+f.path, old.node.link))
		}
	}
}

// find is what the layers so far have at a path, or nil.
func (m *merger) find(path string) *member {
	i := search(m.files, path)
	if i < len(m.files) && m.files[i].path == path {
		return m.files[i]
	}
	return nil
}

func search(files []*member, path string) int {
	return sort.Search(len(files), func(i int) bool { return Compare(files[i].path, path) >= 0 })
}

// overlay puts the files of one layer over those below. Both are sorted, and the
// content of a directory follows it.
func overlay(lower, upper []*member) []*member {
	out := make([]*member, 0, len(lower)+len(upper))
	for _, f := range upper {
		n := gallop(lower, f.path)
		out = append(out, lower[:n]...)
		lower = lower[n:]
		below := len(lower) > 0 && lower[0].path == f.path
		merge := f.node != nil && f.node.kind() == Dir && !f.hidesAll && below && lower[0].node.kind() == Dir
		switch {
		case merge:
			lower = lower[1:]
		case below:
			lower = lower[subtree(lower):]
		}
		if f.node != nil {
			out = append(out, f)
		}
	}
	return append(out, lower...)
}

// gallop is how many files come before a path. Those of two layers are often close
// together, so it searches near the start first.
func gallop(files []*member, path string) int {
	step := 1
	for step < len(files) && Compare(files[step].path, path) < 0 {
		step *= 2
	}
	return search(files[:min(step+1, len(files))], path)
}

// subtree is the number of files of the first one and below it.
func subtree(files []*member) int {
	prefix := files[0].path + "/"
	if files[0].path == "" {
		return len(files)
	}
	n := 1
	for n < len(files) && strings.HasPrefix(files[n].path, prefix) {
		n++
	}
	return n
}

// findHoles reads the contents of all files that may have holes.
func (m *merger) findHoles(ctx context.Context, layers []Layer, jobs int) error {
	var files []*member
	seen := map[*inode]bool{} // files with several names
	for _, f := range m.files {
		if f.node.size < HoleSize || seen[f.node] {
			continue
		}
		if f.node.linked {
			seen[f.node] = true
		}
		files = append(files, f)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(jobs, 1))
	for part := range slices.Chunk(files, 64) {
		g.Go(func() error {
			for _, f := range part {
				if err := ctx.Err(); err != nil {
					return err
				}
				n := f.node
				data, err := dataRanges(n.content(layers), n.size, n.skip)
				if err != nil {
					return fmt.Errorf("%s: look for holes in %s: %w", layers[n.layer].Name, f.path, err)
				}
				n.data = data
			}
			return nil
		})
	}
	return g.Wait()
}

// tree makes the Tree. The first name in order is the file, as in assemble.
func (m *merger) tree(layers []Layer, clamp int64) *Tree {
	first := map[*inode]string{}
	t := &Tree{Entries: make([]Entry, len(m.files))}
	for i, f := range m.files {
		if f.node.linked {
			if name, ok := first[f.node]; ok {
				t.Entries[i] = Entry{Path: f.path, Hardlink: name}
				continue
			}
			first[f.node] = f.path
		}
		t.Entries[i] = f.node.entry(f.path, layers, clamp)
	}
	return t
}

func (n *inode) entry(path string, layers []Layer, clamp int64) Entry {
	e := Entry{
		Path: path, Link: n.link, Mode: n.mode, UID: n.uid, GID: n.gid, Rdev: n.rdev,
		Mtime: n.mtime, MtimeNsec: n.nsec, Size: n.size, Data: n.data, Xattrs: n.xattrs,
	}
	if n.size > 0 {
		e.Content = n.content(layers)
	}
	e.clampTime(clamp)
	return e
}

func (n *inode) content(layers []Layer) io.ReaderAt {
	if n.sparse != nil {
		return n.sparse
	}
	return &piece{layers[n.layer].Tar, n.off, n.size}
}

// skip is where to continue the search for holes: the stream may say that there is
// one.
func (n *inode) skip(off int64) int64 {
	if n.sparse != nil {
		return n.sparse.next(off)
	}
	return off
}
