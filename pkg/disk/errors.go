// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"fmt"
	"strconv"
)

// SizeError says that a partition or the disk is too small.
type SizeError struct {
	Partition int    // its index in Spec.Partitions, or -1
	OfDisk    bool   // the disk's size would have to change, not the partition's
	What      string // for messages, such as partition "root"
	Need      int64  // bytes
	Have      int64
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%s needs %s, has %s", e.What, humanSize(e.Need, true), humanSize(e.Have, false))
}

// Enough is a size that would do, as a declaration has it.
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

// ContentError says that files cannot be on the file system that they are to be
// on, whatever its size.
type ContentError struct {
	Partition int    // its index in Spec.Partitions, or -1
	What      string // for messages, such as partition "root"
	Err       error
}

func (e *ContentError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *ContentError) Unwrap() error { return e.Err }

// PartitionError is about one partition.
type PartitionError struct {
	Partition int    // its index in Spec.Partitions, or -1
	Attr      string // of the declaration's element, "" for all of it
	What      string
	Err       error
}

func (e *PartitionError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e *PartitionError) Unwrap() error { return e.Err }

// humanSize is a number of bytes as a person reads it: what is needed is
// rounded up, what there is down.
func humanSize(n int64, up bool) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	unit, u := int64(1), 0
	for u < len(units)-1 && n >= unit*1024 {
		unit, u = unit*1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d %s", n, units[u])
	}
	if n < 100*unit {
		whole, rest := n/unit, n%unit
		tenths := whole*10 + rest*10/unit
		if up && rest*10%unit != 0 {
			tenths++
		}
		if tenths%10 != 0 {
			return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, units[u])
		}
		return fmt.Sprintf("%d %s", tenths/10, units[u])
	}
	whole := n / unit
	if up && n%unit != 0 {
		whole++
	}
	return fmt.Sprintf("%d %s", whole, units[u])
}
