// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package squashfs

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Kind is the kind of file system.
func (f *FS) Kind() string { return "squashfs" }

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
	t, err := f.Tree()
	if err != nil {
		l.Add("", "%v", err)
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Type() != tree.Regular || e.Content == nil {
			continue
		}
		for _, r := range e.Ranges() {
			if _, err := io.Copy(io.Discard, &reading{ctx, io.NewSectionReader(e.Content, r.Off, r.Len)}); err != nil {
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

// reading ends with its context.
type reading struct {
	ctx context.Context // of one check
	r   io.Reader
}

func (r *reading) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}
