// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"strconv"

	"github.com/carosio/carosbuild/pkg/bytesize"
)

// SizeError says that a partition or the disk is too small.
type SizeError struct {
	Partition int    // index in Spec.Partitions, or -1
	OfDisk    bool   // the size of the disk would have to change, not that of the partition
	What      string // for messages, such as partition "root"
	Need      int64  // bytes
	Have      int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s needs %s, has %s", e.What, bytesize.AtLeast(e.Need), bytesize.AtMost(e.Have))
}

// Enough is a sufficient size, in the form of declarations.
func (e *SizeError) Enough() string {
	const m, g = int64(1) << 20, int64(1) << 30
	step := m
	switch {
	case e.Need > 8*g:
		step = g
	case e.Need > 2*g:
		step = g / 2
	case e.Need > g/2:
		step = g / 4
	case e.Need > 64*m:
		step = 64 * m
	}
	n := roundUp(e.Need, step)
	if n%g == 0 {
		return strconv.FormatInt(n/g, 10) + "G"
	}
	return strconv.FormatInt(n/m, 10) + "M"
}

// ContentError says that files cannot be stored on their file system, whatever its
// size.
type ContentError struct {
	Partition int    // index in Spec.Partitions, or -1
	What      string // for messages, such as partition "root"
	Err       error
}

func (e *ContentError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *ContentError) Unwrap() error { return e.Err }

// PartitionError is about one partition.
type PartitionError struct {
	Partition int    // index in Spec.Partitions, or -1
	Attr      string // attribute of the declaration's element, "" for the element
	What      string
	Err       error
}

func (e *PartitionError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *PartitionError) Unwrap() error { return e.Err }
