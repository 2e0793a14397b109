// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Kind is the kind of file system.
func (f *FS) Kind() string { return fsName }

// End is the end of the file system on its device, in bytes.
func (f *FS) End() int64 { return f.Size() }

// Label is "": squashfs has no labels.
func (f *FS) Label() string { return "" }

// ID is "": squashfs has no ids.
func (f *FS) ID() string { return "" }

// Usage is the size of the file system in bytes, all of which is in use.
func (f *FS) Usage() (size, used int64, err error) { return f.Size(), f.Size(), nil }

// Check reads everything: metadata and contents have no checksums except for those
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
			if _, err := io.Copy(io.Discard, ctxio.Reader(ctx, io.NewSectionReader(e.Content, r.Off, r.Len))); err != nil {
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
