// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// wrong is a mistake in the Spec of a partition.
func (p *part) wrong(err error) error {
	return &PartitionError{Partition: p.index, What: p.String(), Err: err}
}

// failed says why a partition's content was not made: it has too little space, its
// files cannot be stored on its file system, or the Spec is wrong.
func (s *Spec) failed(p *part, parts []*part, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if !p.fs.Items {
		return p.wrong(err)
	}
	if !p.fs.early && p.slot.Size > 0 {
		if least, lerr := p.least(s, parts, 0); lerr == nil && least > p.slot.Size {
			return s.tooSmall(p, parts, least)
		}
	}
	if errors.Is(err, fat.ErrRoot) || errors.Is(err, fat.ErrTooBig16) { // only with FAT16
		return &PartitionError{Partition: p.index, Attr: "fs", What: p.String(), Err: fmt.Errorf("%w; fat32 can hold it", err)}
	}
	return &ContentError{p.index, p.String(), err}
}

// tooSmall says that a partition is too small. A partition that takes the rest of
// the disk needs a larger disk.
func (s *Spec) tooSmall(p *part, parts []*part, need int64) error {
	e := &SizeError{Partition: p.index, What: p.String(), Need: need, Have: p.slot.Size}
	if !p.size.Rest || s.Size == 0 {
		return e
	}
	// Growing the disk by the missing bytes is enough, wherever the partition is.
	return &SizeError{Partition: p.index, OfDisk: true, What: "the disk", Need: s.Size + need - p.slot.Size, Have: s.Size}
}

// unplaced explains why partitions could not be placed and, if a larger disk would
// be enough, how large it has to be.
func (s *Spec) unplaced(parts []*part, requests []partition.Request, blobs []partition.Region, reason error) error {
	if s.Size == 0 {
		return reason
	}
	requests = slices.Clone(requests)
	for i, p := range parts {
		if requests[i].Size != partition.Rest {
			continue
		}
		least, err := p.least(s, parts, 0)
		if err != nil {
			least = 1 << 20 // it has no content
		}
		requests[i].Size = max(least, partition.SectorSize)
	}
	_, need, err := partition.Place(partition.Kind(s.Table), requests, blobs, 0)
	if err != nil || need <= s.Size {
		return reason
	}
	return &SizeError{Partition: -1, OfDisk: true, What: "the disk", Need: need, Have: s.Size}
}
