// SPDX-License-Identifier: MPL-2.0

package bmap

import (
	"crypto/sha256"
	"fmt"
	gohash "hash"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// writer collects the ranges of a disk.
type writer struct {
	w   io.Writer
	m   Map
	sum gohash.Hash // of the last range
}

// New writes the map of a disk of size bytes to w, at the end. What is mapped depends
// on the disk's extents alone, including zeros in them: a program that copies the
// disk by its map leaves everything else unchanged.
func New(w io.Writer, size int64) (pipeline.Sink, error) {
	if size <= 0 {
		return nil, fmt.Errorf("disk of %d bytes: a block map needs at least one", size)
	}
	return &writer{w: w, m: Map{Size: size, BlockSize: BlockSize}, sum: sha256.New()}, nil
}

// NewEncoder implements pipeline.Sink: there is nothing to do beforehand.
func (w *writer) NewEncoder() func(*pipeline.Chunk) error {
	return func(*pipeline.Chunk) error { return nil }
}

// Write implements pipeline.Sink.
func (w *writer) Write(c *pipeline.Chunk) error {
	for at := int64(0); at < int64(len(c.In)); at += BlockSize {
		if !c.Covered(c.Off+at, BlockSize) {
			continue
		}
		w.block((c.Off+at)/BlockSize, c.In[at:min(at+BlockSize, int64(len(c.In)))])
	}
	return nil
}

func (w *writer) block(no int64, b []byte) {
	if k := len(w.m.Ranges); k > 0 && w.m.Ranges[k-1].Last == no-1 {
		w.m.Ranges[k-1].Last = no
	} else {
		w.endRange()
		w.m.Ranges = append(w.m.Ranges, Range{First: no, Last: no})
	}
	_, _ = w.sum.Write(b) // writing to a hash cannot fail
}

func (w *writer) endRange() {
	if k := len(w.m.Ranges); k > 0 {
		w.sum.Sum(w.m.Ranges[k-1].SHA256[:0])
		w.sum.Reset()
	}
}

// End writes the map.
func (w *writer) End() error {
	w.endRange()
	_, err := w.w.Write(w.m.text())
	return err
}

func hash(r io.Reader) (sum [32]byte, err error) {
	h := sha256.New()
	_, err = io.Copy(h, r)
	return [32]byte(h.Sum(nil)), err
}
