// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// outside compares what is not in a partition on either disk: boot loaders between
// the table and the first partition, and everything else.
func (c *comparer) outside(ctx context.Context, a, b *Disk) error {
	size := min(a.src.Size(), b.src.Size())
	for _, s := range gaps(append(a.taken(), b.taken()...), size) {
		at, err := c.differ(ctx, within(a.src, s.Start, s.Size), within(b.src, s.Start, s.Size), s.Size)
		if err != nil {
			return err
		}
		if at >= 0 {
			c.emit(Difference{What: outside, Offset: s.Start + at})
		}
	}
	return nil
}

// taken are the parts of the disk that are compared separately: the table,
// partitions, and a file system without a table.
func (d *Disk) taken() []partition.Slot {
	out := slices.Clone(d.table.Places)
	for _, v := range d.volumes {
		out = append(out, partition.Slot{Start: v.Start, Size: v.r.Size()})
	}
	return out
}

// gaps are the parts of size bytes that are not in taken.
func gaps(taken []partition.Slot, size int64) []partition.Slot {
	slices.SortFunc(taken, func(a, b partition.Slot) int { return cmp.Compare(a.Start, b.Start) })
	var out []partition.Slot
	at := int64(0)
	for _, s := range append(taken, partition.Slot{Start: size}) {
		if end := min(s.Start, size); end > at {
			out = append(out, partition.Slot{Start: at, Size: end - at})
		}
		at = max(at, s.End())
	}
	return out
}

// section is a part of a disk that knows its holes.
type section struct {
	*io.SectionReader
	r         io.ReaderAt
	start, sz int64
}

func within(r io.ReaderAt, off, n int64) section {
	return section{io.NewSectionReader(r, off, n), r, off, n}
}

// NextExtent is the first byte at or after off that may be other than zero.
func (s section) NextExtent(off int64) int64 { return extent(s.r, s.start+off, s.start+s.sz) - s.start }

// unreadable says why a volume's files cannot be compared, or "".
func (v *volume) unreadable() string {
	switch {
	case v.err != nil:
		return v.err.Error()
	case v.treeErr != nil:
		return v.treeErr.Error()
	case v.fs == nil:
		return "it is not read"
	}
	return ""
}

// unreadable compares volumes byte by byte if the files of at least one cannot all
// be read. If those of only one cannot, that is a difference by itself.
func (c *comparer) unreadable(ctx context.Context, v, w *volume, reasons [2]string) error {
	if v.kind == w.kind && (reasons[0] == "" || reasons[1] == "") {
		c.value("whether its files can be read", yes(reasons[0]), yes(reasons[1]))
	}
	_, err := c.content(ctx, v.r, w.r, v.r.Size(), w.r.Size())
	return err
}

func yes(reason string) string {
	if reason == "" {
		return "yes"
	}
	return "no: " + reason
}

// beside compares what volumes contain besides their file systems: boot code before
// them, and data after their end, such as a hash tree.
func (c *comparer) beside(ctx context.Context, v, w *volume) error {
	from, to := v.is().BootCode[0], v.is().BootCode[1]
	if v.kind == w.kind && from < to {
		same, err := c.same(ctx, within(v.r, from, to-from), within(w.r, from, to-from), to-from)
		if err != nil {
			return err
		}
		if !same {
			c.emit(Difference{Partition: c.part, What: "boot code"})
		}
	}
	end := v.fs.End()
	n := v.r.Size() - end
	if n <= 0 || end != w.fs.End() || v.r.Size() != w.r.Size() {
		return nil
	}
	same, err := c.same(ctx, within(v.r, end, n), within(w.r, end, n), n)
	if err == nil && !same {
		c.emit(Difference{Partition: c.part, What: "content after the file system"})
	}
	return err
}
