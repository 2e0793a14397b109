// SPDX-License-Identifier: MPL-2.0

package vmdk

import "github.com/carosio/carosbuild/pkg/disk/pipeline"

// encoder appends one grain of the disk, whose first sector is lba, to dst in its
// on-disk form: whole sectors.
type encoder interface {
	encode(dst, grain []byte, lba int64) ([]byte, error)
}

// plain stores grains uncompressed.
type plain struct{}

func (plain) encode(dst, grain []byte, _ int64) ([]byte, error) { return append(dst, grain...), nil }

// eachGrain encodes the grains of a chunk that are not zero.
func eachGrain(enc encoder) func(*pipeline.Chunk) error {
	return func(c *pipeline.Chunk) error {
		return c.Blocks(grainSize, func(off int64, grain []byte) error {
			return c.Add(off, func(dst []byte) ([]byte, error) { return enc.encode(dst, grain, off/sectorSize) })
		})
	}
}
