// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Container is the opened file, the first one of the disk's files, and its size in
// bytes.
func (o *Opened) Container() (io.ReaderAt, int64, error) {
	if o.within.ReaderAt != nil {
		return o.within, o.within.size, nil
	}
	st, err := o.files[0].Stat()
	if err != nil {
		return nil, 0, err
	}
	return o.files[0], st.Size(), nil
}

// Source is the reader of the format, such as a *vmdk.Reader.
func (o *Opened) Source() any { return o.ReaderAt }

// Check checks the file that contains the disk, as far as its format has anything
// to check besides the disk.
func (o *Opened) Check(ctx context.Context) []damage.Problem {
	c, ok := o.ReaderAt.(interface {
		Check(context.Context) []damage.Problem
	})
	if !ok {
		return nil
	}
	return damage.In(o.Format.code().title, c.Check(ctx))
}
