// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Kind is the kind of file system.
func (f *FS) Kind() string { return fsName }

// End is where the file system ends on its device, in bytes.
func (f *FS) End() int64 { return f.Size() }

// Label is "": there are none.
func (f *FS) Label() string { return "" }

// ID is "": there are none.
func (f *FS) ID() string { return "" }

// Usage is the size of the file system in bytes, all of which is used.
func (f *FS) Usage() (size, used int64, err error) { return f.Size(), f.Size(), nil }

// Check reads everything: metadata and contents have no checksums but those
// of their compression.
func (f *FS) Check(ctx context.Context) []damage.Problem {
	var l damage.List
	t, err := f.tree(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		l.AddError("", err)
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Type() != tree.Regular || e.Content == nil {
			continue
		}
		for _, r := range e.Ranges() {
			if _, err := io.Copy(io.Discard, until(ctx, io.NewSectionReader(e.Content, r.Off, r.Len))); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				l.Add("/"+e.Path, "%v", err)
				break
			}
		}
	}
	return l.Problems()
}

// until is a reader that ends with ctx.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

// readerFunc is a Read without anything else.
type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
