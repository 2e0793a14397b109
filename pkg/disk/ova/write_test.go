// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// writeTo writes the archive to w, a new and empty file. The disk is read and
// compressed once, front to back; what stands in front of it is written last,
// because it tells its size and its sum. So w cannot be a pipe.
func writeTo(ctx context.Context, w io.WriterAt, src vmdk.Source, vm VM, o Options) error {
	s, err := New(w, src.Size(), vm, o)
	if err != nil {
		return err
	}
	return pipeline.Run(ctx, src, pipeline.Options{Workers: o.Disk.Workers, Progress: o.Disk.Progress}, s)
}
