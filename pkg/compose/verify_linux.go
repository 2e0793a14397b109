// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/sums"
)

// verified compares a tree that was read from a mounted stage with the records of
// the stage's layers, and makes reading a file fail if its content has changed.
// Other differences are returned as a description of the first file that differs,
// from which the store can tell the layer.
func verified(t *tree.Tree, want *sums.Expected, clamp int64) (*mismatch, error) {
	first := firstNames(t)
	bad := badContents{}
	for i := range t.Entries {
		e := &t.Entries[i]
		f, id, ok, err := want.Next()
		switch {
		case err != nil:
			return nil, err
		case !ok:
			return &mismatch{e.Path, "was added"}, nil
		case f.Path != e.Path && tree.Compare(f.Path, e.Path) < 0:
			return &mismatch{f.Path, "is missing"}, nil
		case f.Path != e.Path:
			return &mismatch{e.Path, "was added"}, nil
		}
		if e.Hardlink != "" {
			if file := first[e.Hardlink]; f.CRC != file.CRC || f.Size != file.Size || f.Mode != file.Mode {
				return &mismatch{e.Path, "is a link to another file"}, nil
			}
			continue
		}
		if _, ok := first[e.Path]; ok {
			first[e.Path] = f
		}
		got := sumOf(e)
		if what := got.Differs(&f, clamp); what != "" {
			return &mismatch{e.Path, "has changed: " + what}, nil
		}
		if e.Size > 0 {
			if err := tree.Summed(e, f.CRC, bad.of(id)); err != nil {
				return nil, err
			}
		}
	}
	f, _, ok, err := want.Next()
	if ok {
		return &mismatch{f.Path, "is missing"}, nil
	}
	return nil, err
}

// badContents make errors about contents, by layer.
type badContents map[string]func(path string) error

func (b badContents) of(id string) func(path string) error {
	f, ok := b[id]
	if !ok {
		f = func(path string) error {
			return &layer.DamageError{Layer: id, Path: path, What: "has different content than was stored"}
		}
		b[id] = f
	}
	return f
}

// mismatch is a file of a stage that differs from its record.
type mismatch struct{ path, what string }

// firstNames are the files that have hard links.
func firstNames(t *tree.Tree) map[string]sums.File {
	out := map[string]sums.File{}
	for i := range t.Entries {
		if to := t.Entries[i].Hardlink; to != "" {
			out[to] = sums.File{}
		}
	}
	return out
}

// sumOf is an entry as a record has it, without the checksum of its content.
func sumOf(e *tree.Entry) sums.File {
	f := sums.File{
		Path: e.Path, Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, MtimeNsec: e.MtimeNsec,
		Size: e.Size, Link: e.Link,
	}
	if len(e.Xattrs) > 0 { // few files have any
		f.Xattrs = sums.Xattrs(e.EachXattr())
	}
	if t := e.Type(); t == tree.Char || t == tree.Block {
		f.Rdev = unix.Mkdev(e.Rdev.Major, e.Rdev.Minor)
	}
	return f
}
