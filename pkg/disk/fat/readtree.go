// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxTree bounds the memory for a tree; each entry counts entryCost besides its
// path.
const (
	maxTree   = 1 << 30
	entryCost = 256
)

// Modes of files without one, as Linux shows them.
const (
	dirMode      = tree.Dir | 0o755
	fileMode     = tree.Regular | 0o755
	readOnlyMode = tree.Regular | 0o555
)

// Label of the volume: the one in the root directory, which systems use. The boot
// sector may have another one; it counts only if the root cannot be read.
func (f *FS) Label() string {
	budget := f.last
	if b, err := f.directory(0, &budget); err == nil {
		ents, _ := f.parseDir(b)
		for _, d := range ents {
			if d.attr&(attrLabel|attrDir) == attrLabel {
				return d.name
			}
		}
		return ""
	}
	return f.bootLabel()
}

// Tree is the content of the file system. Contents of files are read when the
// Tree's are. If something cannot be read, the Tree has the rest and the error is
// the first reason.
func (f *FS) Tree() (*tree.Tree, error) {
	b := &treeBuilder{f: f, budget: f.last, seen: map[int64]bool{}, t: &tree.Tree{Entries: []tree.Entry{{Mode: dirMode}}}}
	b.walk()
	slices.SortFunc(b.t.Entries, func(x, y tree.Entry) int { return tree.Compare(x.Path, y.Path) })
	return b.t, b.err
}

type treeBuilder struct {
	f      *FS
	seen   map[int64]bool // first clusters of directories
	t      *tree.Tree
	budget int64 // clusters of directories to read
	cost   int64 // bytes of memory
	err    error
}

func (b *treeBuilder) note(path string, err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("/%s: %w", path, err)
	}
}

// walk adds all directories, each once.
func (b *treeBuilder) walk() {
	type todo struct {
		path    string
		cluster int64
	}
	for stack := []todo{{}}; len(stack) > 0 && b.cost <= maxTree; {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		raw, err := b.f.directory(top.cluster, &b.budget)
		b.note(top.path, err)
		ents, _ := b.f.parseDir(raw)
		names := make(map[string]bool, len(ents))
		for _, d := range ents {
			if d.attr&attrLabel != 0 || d.dots() {
				continue
			}
			if bad := badName(d.name); bad || names[d.name] {
				b.note(top.path, formatError("the name %q is not allowed, or there twice", d.name))
				continue
			}
			names[d.name] = true
			path := strings.TrimPrefix(top.path+"/"+d.name, "/")
			if b.add(path, d) {
				stack = append(stack, todo{path, d.cluster})
			}
		}
	}
}

// badName reports a name that cannot be in a path.
func badName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00")
}

// add adds an entry and reports whether it is a directory to visit.
func (b *treeBuilder) add(path string, d direntry) bool {
	if b.cost += int64(len(path)) + entryCost; b.cost > maxTree {
		b.note(path, formatError("its tree is too large"))
		return false
	}
	e := tree.Entry{Path: path, Mode: fileMode, Mtime: d.mtime}
	switch {
	case d.isDir():
		e.Mode = dirMode
	case d.attr&attrReadOnly != 0:
		e.Mode = readOnlyMode
	}
	if !d.isDir() && d.size > 0 {
		f := b.f
		e.Size = d.size
		e.Content = &data{f, d.size, sync.OnceValues(func() ([]clusterRun, error) { return f.findRuns(d.cluster, d.size) })}
	}
	b.t.Entries = append(b.t.Entries, e)
	if !d.isDir() {
		return false
	}
	if d.cluster < 2 || b.seen[d.cluster] || d.cluster == b.f.rootCluster() && b.f.bits == 32 {
		b.note(path, formatError("directory at cluster %d, which has none or is there twice", d.cluster))
		return false
	}
	b.seen[d.cluster] = true
	return true
}
