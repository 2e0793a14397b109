// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import (
	"context"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// chunkSize is what a worker reads at a time: long reads, few hand-overs.
const (
	chunkGrains = 16
	chunkSize   = chunkGrains * grainSize
)

// encoder appends one grain of the disk, whose first sector is lba, to dst as
// it will stand in the file: whole sectors.
type encoder interface {
	encode(dst, grain []byte, lba int64) ([]byte, error)
}

// plain stores grains as they are.
type plain struct{}

func (plain) encode(dst, grain []byte, _ int64) ([]byte, error) { return append(dst, grain...), nil }

// chunk has encoded grains in Out, one after the other, and in Meta those that
// are not zero.
type chunk = pipeline.Chunk[[]span]

// span says that the next n bytes of Out are the grain with that number.
type span struct {
	grain int64
	n     int
}

// eachChunk encodes the grains of the source and gives them to write.
func eachChunk(ctx context.Context, src Source, o Options, newEncoder func() encoder, write func(*chunk) error) error {
	po := pipeline.Options{Chunk: chunkSize, Workers: o.Workers, Progress: o.Progress}
	return pipeline.Run(ctx, src, po, func() pipeline.Encoder[[]span] {
		enc := newEncoder()
		return func(c *chunk) error {
			c.Meta = c.Meta[:0]
			return c.Blocks(src, grainSize, func(off int64, grain []byte) error {
				before := len(c.Out)
				var err error
				if c.Out, err = enc.encode(c.Out, grain, off/sectorSize); err != nil {
					return err
				}
				c.Meta = append(c.Meta, span{off / grainSize, len(c.Out) - before})
				return nil
			})
		}
	}, write)
}
