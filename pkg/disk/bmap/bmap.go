// SPDX-License-Identifier: MPL-2.0

// Package bmap writes and reads block maps, version 2.0: they list which blocks of
// a raw disk have data, with a checksum for each run of them. bmaptool copies only
// those, and verifies them.
package bmap

import (
	"errors"
	"fmt"
	"io"
)

// BlockSize is the block size of the maps that this package writes.
const BlockSize = 4096

// ErrFormat is wrapped by errors about a text that is not a block map.
var ErrFormat = errors.New("not a readable block map")

// Map lists which blocks of a disk have data.
type Map struct {
	Size      int64 // of the disk in bytes
	BlockSize int64
	Ranges    []Range // in order, disjoint
}

// Range is a run of blocks.
type Range struct {
	First, Last int64 // numbers of blocks
	SHA256      [32]byte
}

// Blocks is the number of blocks of the disk, of which the last may be partial.
func (m *Map) Blocks() int64 { return (m.Size-1)/m.BlockSize + 1 }

// Mapped is the number of blocks in the ranges.
func (m *Map) Mapped() int64 {
	n := int64(0)
	for _, r := range m.Ranges {
		n += r.Last - r.First + 1
	}
	return n
}

// Verify reads all ranges of a disk and compares their checksums.
func (m *Map) Verify(disk io.ReaderAt) error {
	for _, r := range m.Ranges {
		from, end := r.First*m.BlockSize, min((r.Last+1)*m.BlockSize, m.Size)
		sum, err := hash(io.NewSectionReader(disk, from, end-from))
		if err != nil {
			return fmt.Errorf("blocks %d to %d: %w", r.First, r.Last, err)
		}
		if sum != r.SHA256 {
			return fmt.Errorf("blocks %d to %d: SHA-256 is %x, the block map says %x", r.First, r.Last, sum, r.SHA256)
		}
	}
	return nil
}
