// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Difference is one difference between two disks. A and B are the values of each,
// "" for none; for contents they are sizes.
type Difference struct {
	Partition string `json:"partition,omitempty"` // as in messages
	Path      string `json:"path,omitempty"`
	Offset    int64  `json:"offset,omitempty"` // on the disk, in bytes: where content outside partitions first differs
	What      string `json:"what"`             // size, table, only in one, type, mode, owner, content ...
	A         string `json:"a,omitempty"`
	B         string `json:"b,omitempty"`
}

// Only is the What of something that one of the disks lacks: A or B is the value of
// the other.
const Only = "only in one"

// outside is the What of boot loaders and anything else that is not in a partition.
const outside = "content outside of partitions"

func (d Difference) String() string {
	where := d.Partition
	if where == "" {
		where = "disk"
	}
	if d.Path != "" {
		where += ": " + d.Path
	}
	switch {
	case d.What == Only && d.B == "":
		return fmt.Sprintf("%s: only the first has it (%s)", where, d.A)
	case d.What == Only:
		return fmt.Sprintf("%s: only the second has it (%s)", where, d.B)
	case d.What == outside:
		return fmt.Sprintf("%s: %s differs from byte %d on", where, d.What, d.Offset)
	case d.What == "content":
		return fmt.Sprintf("%s: content differs (%s and %s bytes)", where, d.A, d.B)
	case d.A == "" && d.B == "":
		return fmt.Sprintf("%s: %s differs", where, d.What)
	}
	return fmt.Sprintf("%s: %s differs (%s and %s)", where, d.What, none(d.A), none(d.B))
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// Diff calls f for all differences between two disks, in the order of the first
// one. It compares their contents, not the formats of the files that they are in.
// It ends with the first error.
func Diff(ctx context.Context, a, b *Disk, f func(Difference)) error {
	c := &comparer{emit: f, bufA: make([]byte, 1<<20), bufB: make([]byte, 1<<20)}
	c.value("size", fmt.Sprint(a.src.Size()), fmt.Sprint(b.src.Size()))
	c.tables(a, b)
	if err := c.outside(ctx, a, b); err != nil {
		return err
	}
	for _, v := range a.volumes {
		if w := numbered(b, v.Number); w != nil {
			if err := c.volumes(ctx, v, w); err != nil {
				return fmt.Errorf("%s: %w", v, err)
			}
			continue
		}
		f(Difference{Partition: v.String(), What: Only, A: fmt.Sprintf("%d bytes", v.r.Size())})
	}
	for _, w := range b.volumes {
		if numbered(a, w.Number) == nil {
			f(Difference{Partition: w.String(), What: Only, B: fmt.Sprintf("%d bytes", w.r.Size())})
		}
	}
	return nil
}

func numbered(d *Disk, n int) *volume {
	i := slices.IndexFunc(d.volumes, func(v *volume) bool { return v.Number == n })
	if i < 0 {
		return nil
	}
	return d.volumes[i]
}

// comparer compares the parts of two disks.
type comparer struct {
	emit       func(Difference)
	part, path string
	bufA, bufB []byte
}

func (c *comparer) value(what, a, b string) {
	if a != b {
		c.emit(Difference{Partition: c.part, Path: c.path, What: what, A: a, B: b})
	}
}

func (c *comparer) tables(a, b *Disk) {
	c.value("partition table", string(a.table.Kind), string(b.table.Kind))
	c.value("GUID", a.table.GUID, b.table.GUID)
	c.value("signature", fmt.Sprintf("%08x", a.table.Signature), fmt.Sprintf("%08x", b.table.Signature))
	if !bytes.Equal(a.table.Boot, b.table.Boot) && a.table.Kind != "" && b.table.Kind != "" { // else it is in an area that is compared as a whole
		c.emit(Difference{What: "boot code"})
	}
}

func (c *comparer) volumes(ctx context.Context, v, w *volume) error {
	c.part = v.String()
	defer func() { c.part, c.path = "", "" }()
	c.value("name", v.Name, w.Name)
	c.value("type", v.Type, w.Type)
	c.value("UUID of the partition", v.GUID, w.GUID)
	c.value("start", fmt.Sprint(v.Start), fmt.Sprint(w.Start))
	c.value("size", fmt.Sprint(v.r.Size()), fmt.Sprint(w.r.Size()))
	c.value("active", fmt.Sprint(v.Active), fmt.Sprint(w.Active))
	c.value("file system", v.kind, w.kind)
	s, t := v.files(), w.files()
	if reasons := [2]string{v.unreadable(), w.unreadable()}; reasons != [2]string{} {
		return c.unreadable(ctx, v, w, reasons)
	}
	c.value("label", v.fs.Label(), w.fs.Label())
	c.value("UUID", v.fs.ID(), w.fs.ID())
	if err := c.beside(ctx, v, w); err != nil {
		return err
	}
	return c.trees(ctx, s, t)
}

// trees compares entry by entry; both trees are sorted.
func (c *comparer) trees(ctx context.Context, s, t *tree.Tree) error {
	i, k := 0, 0
	for i < len(s.Entries) || k < len(t.Entries) {
		order := 0
		switch {
		case i == len(s.Entries):
			order = 1
		case k == len(t.Entries):
			order = -1
		default:
			order = tree.Compare(s.Entries[i].Path, t.Entries[k].Path)
		}
		switch {
		case order < 0:
			c.emit(Difference{Partition: c.part, Path: "/" + s.Entries[i].Path, What: Only, A: describe(s, &s.Entries[i])})
			i++
		case order > 0:
			c.emit(Difference{Partition: c.part, Path: "/" + t.Entries[k].Path, What: Only, B: describe(t, &t.Entries[k])})
			k++
		default:
			if err := c.entries(ctx, s, t, &s.Entries[i], &t.Entries[k]); err != nil {
				return err
			}
			i, k = i+1, k+1
		}
	}
	return nil
}

// first is the entry that has the metadata of a hard link.
func first(t *tree.Tree, e *tree.Entry) *tree.Entry {
	if e.Hardlink == "" {
		return e
	}
	to, err := t.Lookup(e.Hardlink)
	if err != nil {
		return e
	}
	return to
}

// types are the names of file types.
var types = map[uint32]string{
	tree.Socket: "socket", tree.Symlink: "symbolic link", tree.Regular: "file", tree.Block: "block device",
	tree.Dir: "directory", tree.Char: "character device", tree.FIFO: "FIFO",
}

func describe(t *tree.Tree, e *tree.Entry) string {
	e = first(t, e)
	if e.Type() == tree.Regular {
		return fmt.Sprintf("file of %d bytes", e.Size)
	}
	return none(types[e.Type()])
}

func (c *comparer) entries(ctx context.Context, s, t *tree.Tree, a, b *tree.Entry) error {
	c.path = "/" + a.Path
	c.value("hard link", a.Hardlink, b.Hardlink)
	if a.Hardlink != "" && a.Hardlink == b.Hardlink {
		return nil
	}
	a, b = first(s, a), first(t, b)
	if a.Type() != b.Type() {
		c.value("type", describe(s, a), describe(t, b))
		return nil
	}
	c.value("mode", fmt.Sprintf("%04o", a.Mode&0o7777), fmt.Sprintf("%04o", b.Mode&0o7777))
	c.value("owner", fmt.Sprintf("%d:%d", a.UID, a.GID), fmt.Sprintf("%d:%d", b.UID, b.GID))
	c.value("time", stamp(a), stamp(b))
	c.value("target", a.Link, b.Link)
	c.value("device", fmt.Sprintf("%d:%d", a.Rdev.Major, a.Rdev.Minor), fmt.Sprintf("%d:%d", b.Rdev.Major, b.Rdev.Minor))
	c.xattrs(a.Xattrs, b.Xattrs)
	same, err := c.content(ctx, a.Content, b.Content, a.Size, b.Size)
	if err == nil && !same {
		err = c.unified(ctx, a, b)
	}
	return err
}

func stamp(e *tree.Entry) string { return fmt.Sprintf("%d.%09d", e.Mtime, e.MtimeNsec) }

func (c *comparer) xattrs(a, b []tree.Xattr) {
	value := func(xs []tree.Xattr, name string) string {
		for _, x := range xs {
			if x.Name == name {
				return fmt.Sprintf("%x", x.Value)
			}
		}
		return ""
	}
	var names []string
	for _, x := range append(slices.Clone(a), b...) {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		c.value("attribute "+n, value(a, n), value(b, n))
	}
}

// content compares two contents and reports whether they are equal.
func (c *comparer) content(ctx context.Context, a, b io.ReaderAt, na, nb int64) (bool, error) {
	same := na == nb
	if same && na > 0 {
		var err error
		if same, err = c.same(ctx, a, b, na); err != nil {
			return false, err
		}
	}
	if !same {
		c.emit(Difference{Partition: c.part, Path: c.path, What: "content", A: fmt.Sprint(na), B: fmt.Sprint(nb)})
	}
	return same, nil
}

// same compares n bytes.
func (c *comparer) same(ctx context.Context, a, b io.ReaderAt, n int64) (bool, error) {
	at, err := c.differ(ctx, a, b, n)
	return at < 0, err
}

// differ is the first of n bytes that differs, or -1. Parts that are holes on both
// sides are not read.
func (c *comparer) differ(ctx context.Context, a, b io.ReaderAt, n int64) (int64, error) {
	for off := int64(0); off < n; off += int64(len(c.bufA)) {
		if off = min(extent(a, off, n), extent(b, off, n)); off == n {
			break
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		k := min(n-off, int64(len(c.bufA)))
		for _, x := range []struct {
			r io.ReaderAt
			p []byte
		}{{a, c.bufA[:k]}, {b, c.bufB[:k]}} {
			if m, err := x.r.ReadAt(x.p, off); int64(m) < k {
				return 0, fmt.Errorf("%s: %w", c.path, err)
			}
		}
		if bytes.Equal(c.bufA[:k], c.bufB[:k]) {
			continue
		}
		for i := range k {
			if c.bufA[i] != c.bufB[i] {
				return off + i, nil
			}
		}
	}
	return -1, nil
}

// extent is the first byte at or after off that may be other than zero.
func extent(r io.ReaderAt, off, n int64) int64 {
	if x, ok := r.(interface{ NextExtent(off int64) int64 }); ok {
		return min(max(x.NextExtent(off), off), n)
	}
	return off
}
