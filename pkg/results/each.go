// SPDX-License-Identifier: MPL-2.0

package results

import (
	"context"
	"errors"
	"io/fs"
	"path"
)

// Entry is what is in a directory of a stage and no directory: itself, not what it leads to.
type Entry struct {
	Path    string
	Size    int64
	Regular bool
	ID      FileID
}

// FileID is the same for all names of a file.
type FileID struct {
	dev, ino uint64
	path     string
}

// Each calls f for every file of the stage, in order of names. What cannot be looked at,
// such as what a mount hides, is left out.
func (r *Root) Each(ctx context.Context, f func(Entry) error) error {
	return r.walk(ctx, "/", func(rel string, e fs.DirEntry) error {
		p := path.Join("/", rel)
		n, err := r.entry(p, e)
		if errors.Is(err, ErrLeadsOut) || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return f(Entry{Path: p, Size: n.size, Regular: n.isFile(), ID: FileID{n.dev, n.ino, n.path}})
	})
}

// Names are the names in a directory, in order.
func (r *Root) Names(dir string) ([]string, error) {
	entries, err := r.list(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
