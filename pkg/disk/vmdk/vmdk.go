// SPDX-License-Identifier: MPL-2.0

// Package vmdk writes virtual disks in VMware's hosted sparse formats, in one
// pass over the data: streamOptimized (compressed, front to back, for OVF
// import) and monolithicSparse (uncompressed, used in place). It also reads
// both, and knows the descriptors of flat disks. Snapshots, and ESXi's own VMFS
// formats are left out.
package vmdk

import (
	"context"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Source is the device to write.
type Source = pipeline.Source

// Options of the writers. The same source, Name, identifiers and Level give the
// same bytes, whatever Workers is.
type Options struct {
	Name          string   // name of the file, without directories; it is written to the descriptor
	CID           uint32   // content id
	UUID          [16]byte // ddb.uuid
	LongContentID [16]byte // its low 32 bits should be CID
	Level         int      // 1 (fast) to 9 (small); 0 means DefaultLevel
	Workers       int      // goroutines that read and compress; 0 means one per CPU

	// Progress, if set, is called from time to time with the number of bytes of the
	// source, including holes. Calls come from one goroutine, and the last has done
	// == total if the writer succeeds.
	Progress func(done, total int64)
}

// WriteStream writes src as a streamOptimized disk to w, front to back. Memory use
// is about 3 MiB per worker.
func WriteStream(ctx context.Context, w io.Writer, src Source, o Options) error {
	sink, err := NewStream(w, src.Size(), o)
	if err != nil {
		return err
	}
	return pipeline.Run(ctx, src, o.pipeline(), sink)
}

// WriteSparse writes src as a monolithicSparse disk to w, a new and empty file:
// parts that are not written must read as zero.
func WriteSparse(ctx context.Context, w io.WriterAt, src Source, o Options) error {
	sink, err := NewSparse(w, src.Size(), o)
	if err != nil {
		return err
	}
	return pipeline.Run(ctx, src, o.pipeline(), sink)
}

func (o Options) pipeline() pipeline.Options {
	return pipeline.Options{Workers: o.Workers, Progress: o.Progress}
}
