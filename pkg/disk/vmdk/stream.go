// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// streamWriter writes a streamOptimized file: header, descriptor, then grains,
// each table's grains followed by the table, then directory and footer.
type streamWriter struct {
	shape
	w         io.Writer
	o         Options
	at        int64 // sectors written
	directory []byte
	table     *grainTable
}

// NewStream writes a disk of size bytes as streamOptimized to w, front to back,
// beginning at once.
func NewStream(w io.Writer, size int64, o Options) (pipeline.Sink, error) {
	s, err := newShape(size)
	if err != nil {
		return nil, err
	}
	sw := &streamWriter{
		shape: s, w: w, o: o,
		directory: make([]byte, s.directorySectors()*sectorSize),
		table:     newGrainTable(),
	}
	return sw, sw.begin()
}

func (s *streamWriter) write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if s.at += int64(len(b)) / sectorSize; s.at >= maxSectors {
		return errLarge
	}
	return nil
}

func (s *streamWriter) header(directory uint64) header {
	h := newHeader(versionStream, flagNewline|flagCompressed|flagMarkers, s.capacity)
	h.directory, h.overhead, h.compression = directory, streamOverhead, compressZlib
	return h
}

func (s *streamWriter) begin() error {
	d, err := descriptor("streamOptimized", s.capacity, s.o)
	if err != nil {
		return err
	}
	b := make([]byte, streamOverhead*sectorSize)
	copy(b, s.header(gdAtEnd).sector())
	copy(b[descriptorStart*sectorSize:], d)
	return s.write(b)
}

// NewEncoder implements pipeline.Sink.
func (s *streamWriter) NewEncoder() func(*pipeline.Chunk) error {
	return eachGrain(newEncoder(s.o.Level))
}

// Write implements pipeline.Sink. A complete table is written before the grains.
func (s *streamWriter) Write(c *pipeline.Chunk) error {
	if len(c.Spans) == 0 {
		return nil
	}
	if err := s.table.turn(c, s.writeTable); err != nil {
		return err
	}
	s.table.add(c, s.at)
	return s.write(c.Out)
}

func (s *streamWriter) writeTable(table []byte, no int64) error {
	binary.LittleEndian.PutUint32(s.directory[no*4:], uint32(s.at+1))
	return s.write(append(marker(markerTable, tableSectors), table...))
}

// End writes the directory and the footer.
func (s *streamWriter) End() error {
	if err := s.table.flush(s.writeTable); err != nil {
		return err
	}
	at := uint64(s.at + 1)
	b := append(marker(markerDirectory, s.directorySectors()), s.directory...)
	b = append(b, marker(markerFooter, 1)...)
	b = append(b, s.header(at).sector()...)
	b = append(b, marker(markerEnd, 0)...)
	return s.write(b)
}
