// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"
	"errors"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

var errLarge = errors.New("VMDK file of more than 2 TiB")

// grainTable is the table of the grains that are being written. All grains of a
// chunk belong to the same table, since a table covers a multiple of the chunk
// size.
type grainTable struct {
	b  []byte
	no int64 // -1: it has no grain
}

func newGrainTable() *grainTable { return &grainTable{make([]byte, tableSectors*sectorSize), -1} }

// turn writes the table if it is not the one of the chunk, and then begins that
// one.
func (t *grainTable) turn(c *pipeline.Chunk, write func(table []byte, no int64) error) error {
	no := c.Off / tableSpan
	if no == t.no {
		return nil
	}
	err := t.flush(write)
	t.no = no
	return err
}

// add enters the grains of a chunk, which are written one after another from a
// sector on.
func (t *grainTable) add(c *pipeline.Chunk, at int64) {
	for _, g := range c.Spans {
		binary.LittleEndian.PutUint32(t.b[g.Off%tableSpan/grainSize*4:], uint32(at))
		at += int64(g.Len) / sectorSize
	}
}

// flush writes the table, if it has a grain, and empties it.
func (t *grainTable) flush(write func(table []byte, no int64) error) error {
	if t.no < 0 {
		return nil
	}
	err := write(t.b, t.no)
	clear(t.b)
	t.no = -1
	return err
}
