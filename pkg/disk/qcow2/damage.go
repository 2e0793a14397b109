// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"context"
	"fmt"
	"math"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Check checks the file's structure: that tables and clusters are in valid places,
// that every cluster's reference count is the number of references to it, including
// those of snapshots and bitmaps, and that compressed clusters can be decompressed.
// It reads all tables and all compressed data, and needs 8 bytes of memory for each
// cluster of the file, of which there may be 67108864: 4 TiB with clusters of 64
// KiB. It stops when ctx ends.
func (q *Reader) Check(ctx context.Context) []damage.Problem {
	n := (q.size-1)/q.cluster + 1
	if n > maxClusters {
		return []damage.Problem{{Where: "file", Text: fmt.Sprintf("%d clusters: no more than %d are checked", n, maxClusters)}}
	}
	c := &checker{
		room: q.size, work: 8*q.size + 1<<20,
		q:        &Reader{r: q.r, size: q.size, h: q.h, cluster: q.cluster, l2No: -1},
		stored:   make([]uint32, n),
		counted:  make([]uint32, n),
		unpacked: newSet(n),
	}
	if q.h.incompatible&incompatDirty != 0 {
		c.Add("header", "the file was not closed by the program that wrote to it last, and reference counts may be old")
	}
	if q.h.autoclear&autoclearRawData != 0 {
		c.Add("header", "it says that the external data file is raw, and there is none")
	}
	c.refer(spot{"header", -1}, 0, q.cluster)
	c.refcounts(ctx)
	c.level1(ctx, "level 1 table", q.h.l1, q.h.l1Entries, true)
	c.snapshots(ctx)
	c.bitmaps(ctx)
	if ctx.Err() == nil {
		c.compare()
	}
	return c.Problems()
}

type checker struct {
	damage.List
	q        *Reader  // used by this check alone
	stored   []uint32 // reference counts in the file, capped at the largest
	counted  []uint32 // references that were found
	unpacked set      // level 2 tables whose compressed clusters were decompressed
	// For a valid file, the work is proportional to its size; these bounds make it
	// so for any other file, too.
	room int64 // bytes that level 1 tables may still have: they do not overlap
	work int64 // compressed bytes that may still be decompressed
}

// set has a bit for each cluster of the file.
type set []uint64

func newSet(n int64) set { return make(set, (n+63)/64) }

// add reports whether a cluster is new in the set.
func (s set) add(cluster int64) bool {
	old := s[cluster/64]
	s[cluster/64] |= 1 << (cluster % 64)
	return old != s[cluster/64]
}

// spot is a place in messages.
type spot struct {
	what string
	no   int64 // -1 if there is only one
}

func (s spot) String() string {
	if s.no < 0 {
		return s.what
	}
	return fmt.Sprintf("%s %d", s.what, s.no)
}

// refer counts a reference to each cluster of a range, and reports whether the
// range is in the file. The last cluster of a file may be truncated.
func (c *checker) refer(who spot, at uint64, n int64) bool {
	if at > uint64(c.q.size) || int64(at)+n-c.q.size >= c.q.cluster {
		c.Add(who.String(), "%d bytes at %d, and the file has %d", n, at, c.q.size)
		return false
	}
	for k := int64(at) / c.q.cluster; k*c.q.cluster < int64(at)+n && k < int64(len(c.counted)); k++ {
		if c.counted[k] < math.MaxUint32 {
			c.counted[k]++
		}
	}
	return true
}

// aligned reports whether something that fills clusters starts at a cluster.
func (c *checker) aligned(who spot, at uint64) bool {
	if at%uint64(c.q.cluster) == 0 {
		return true
	}
	c.Add(who.String(), "it is at %d, which is within a cluster", at)
	return false
}

// fill reads at at, with zeros after the file's end.
func (c *checker) fill(b []byte, at int64) error {
	n := min(max(c.q.size-at, 0), int64(len(b)))
	clear(b[n:])
	return c.q.read(b[:n], at)
}

// compare compares the reference counts with the references.
func (c *checker) compare() {
	for i := 0; i < len(c.stored); {
		s, k, j := c.stored[i], c.counted[i], i+1
		if s == k {
			i = j
			continue
		}
		for j < len(c.stored) && c.stored[j] == s && c.counted[j] == k {
			j++
		}
		where := fmt.Sprintf("cluster %d", i)
		if j-1 > i {
			where = fmt.Sprintf("clusters %d to %d", i, j-1)
		}
		if i = j; s > k {
			c.Add(where, "leaked: the reference count is %d, and there are %d references", s, k)
		} else {
			c.Add(where, "the reference count is %d, and there are %d references", s, k)
		}
	}
}
