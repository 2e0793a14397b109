// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"
	"fmt"
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
	table     []byte // of the grains since the last one
	tableNo   int64  // -1 when table is empty
}

// NewStream writes a disk of size bytes as streamOptimized to w, front to back,
// beginning at once.
func NewStream(w io.Writer, size int64, o Options) (pipeline.Sink, error) {
	s, err := newShape(size)
	if err != nil {
		return nil, err
	}
	sw := &streamWriter{
		shape: s, w: w, o: o, tableNo: -1,
		directory: make([]byte, s.directorySectors()*sectorSize),
		table:     make([]byte, tableSectors*sectorSize),
	}
	return sw, sw.begin()
}

func (s *streamWriter) write(b []byte) error {
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	if s.at += int64(len(b)) / sectorSize; s.at >= maxSectors {
		return fmt.Errorf("VMDK file of more than 2 TiB")
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

// Write writes the grains of c, all of which belong to one table, since a table
// covers a multiple of the chunk size.
func (s *streamWriter) Write(c *pipeline.Chunk) error {
	if len(c.Spans) == 0 {
		return nil
	}
	if no := c.Off / tableSpan; no != s.tableNo {
		if err := s.flush(); err != nil {
			return err
		}
		s.tableNo = no
	}
	at := s.at
	for _, g := range c.Spans {
		binary.LittleEndian.PutUint32(s.table[g.Off%tableSpan/grainSize*4:], uint32(at))
		at += int64(g.Len) / sectorSize
	}
	return s.write(c.Out)
}

// flush writes the table that is being filled.
func (s *streamWriter) flush() error {
	if s.tableNo < 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(s.directory[s.tableNo*4:], uint32(s.at+1))
	err := s.write(append(marker(markerTable, tableSectors), s.table...))
	clear(s.table)
	s.tableNo = -1
	return err
}

// End writes the directory and the footer.
func (s *streamWriter) End() error {
	if err := s.flush(); err != nil {
		return err
	}
	at := uint64(s.at + 1)
	b := append(marker(markerDirectory, s.directorySectors()), s.directory...)
	b = append(b, marker(markerFooter, 1)...)
	b = append(b, s.header(at).sector()...)
	b = append(b, marker(markerEnd, 0)...)
	return s.write(b)
}
