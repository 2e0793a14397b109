// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// sparseWriter writes a monolithicSparse file: its tables have fixed places at the
// front, with two copies of each, and grains follow in the order of the disk.
// Tables without grains are holes of the file.
type sparseWriter struct {
	shape
	w     io.WriterAt
	o     Options
	next  int64 // sector of the next grain
	table *grainTable
}

// NewSparse writes a disk of size bytes as monolithicSparse to w, a new and empty
// file: parts that are not written must read as zero.
func NewSparse(w io.WriterAt, size int64, o Options) (pipeline.Sink, error) {
	s, err := newShape(size)
	if err != nil {
		return nil, err
	}
	sw := &sparseWriter{shape: s, w: w, o: o, table: newGrainTable()}
	sw.next = sw.overhead()
	return sw, nil
}

// The redundant directory with its tables comes first, then the other one.
func (s *sparseWriter) directoryAt(copy int64) int64 {
	return descriptorStart + descriptorSectors + copy*(s.directorySectors()+s.tables*tableSectors)
}

func (s *sparseWriter) tableAt(copy, no int64) int64 {
	return s.directoryAt(copy) + s.directorySectors() + no*tableSectors
}

func (s *sparseWriter) overhead() int64 {
	return (s.directoryAt(2) + grainSectors - 1) / grainSectors * grainSectors
}

func (s *sparseWriter) writeAt(b []byte, sector int64) error {
	_, err := s.w.WriteAt(b, sector*sectorSize)
	return err
}

// NewEncoder implements pipeline.Sink.
func (s *sparseWriter) NewEncoder() func(*pipeline.Chunk) error { return eachGrain(plain{}) }

// Write implements pipeline.Sink.
func (s *sparseWriter) Write(c *pipeline.Chunk) error {
	if len(c.Spans) == 0 {
		return nil
	}
	if err := s.table.turn(c, s.writeTable); err != nil {
		return err
	}
	at := s.next
	s.table.add(c, at)
	if s.next += int64(len(c.Spans)) * grainSectors; s.next >= maxSectors {
		return errLarge
	}
	return s.writeAt(c.Out, at)
}

func (s *sparseWriter) writeTable(table []byte, no int64) error {
	for i := range int64(2) {
		if err := s.writeAt(table, s.tableAt(i, no)); err != nil {
			return err
		}
	}
	return nil
}

// End writes the directories, descriptor and, last, the header.
func (s *sparseWriter) End() error {
	if err := s.table.flush(s.writeTable); err != nil {
		return err
	}
	d, err := descriptor("monolithicSparse", s.capacity, s.o)
	if err != nil {
		return err
	}
	b := make([]byte, s.directorySectors()*sectorSize)
	for i := range int64(2) {
		for no := range s.tables {
			binary.LittleEndian.PutUint32(b[no*4:], uint32(s.tableAt(i, no)))
		}
		if err := s.writeAt(b, s.directoryAt(i)); err != nil {
			return err
		}
	}
	if s.next == s.overhead() { // no grain: the file still has to end where they would begin
		if err := s.writeAt(make([]byte, sectorSize), s.next-1); err != nil {
			return err
		}
	}
	if err := s.writeAt(d, descriptorStart); err != nil {
		return err
	}
	h := newHeader(versionSparse, flagNewline|flagRedundant, s.capacity)
	h.redundant, h.directory, h.overhead = uint64(s.directoryAt(0)), uint64(s.directoryAt(1)), uint64(s.overhead())
	return s.writeAt(h.sector(), 0)
}
