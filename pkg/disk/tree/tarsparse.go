// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Sparse files of GNU tar (its manual, "Storing Sparse Files"): the old format has
// a table in the header, PAX 0.0 and 0.1 in a record, PAX 1.0 before the content.
const (
	oldSparse         = 386 // offset of the table in the header
	oldSparseEntries  = 4
	oldSparseExtended = 482 // 1 if a block of further entries follows
	extSparseEntries  = 21
	extSparseExtended = 504
	sparseEntry       = 24 // two numbers
	tarBlock          = 512

	paxSparseMap   = "GNU.sparse.map" // archive/tar converts 0.0 to that of 0.1
	paxSparseMajor = "GNU.sparse.major"
	paxSparseMinor = "GNU.sparse.minor"
)

// sparseForm is the format of a file, by the rules of archive/tar.
func sparseForm(h *tar.Header) (string, error) {
	version := h.PAXRecords[paxSparseMajor] + "." + h.PAXRecords[paxSparseMinor]
	switch {
	case h.Typeflag == tar.TypeGNUSparse:
		return "old", nil
	case version == "1.0":
		return version, nil
	case version == "0.0" || version == "0.1" || version == "." && h.PAXRecords[paxSparseMap] != "":
		return "0", nil
	case version != ".":
		return "", fmt.Errorf("sparse file of version %.20q", version)
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return "", errors.New("sparse file without a table of its ranges")
		}
	}
	return "", nil
}

// sparseFile is a file of which only ranges are in the archive.
type sparseFile struct {
	r      io.ReaderAt
	size   int64
	ranges []Range
	at     []int64 // their offsets in the archive
}

// sparseFile reads the table of a sparse file whose headers begin at start, and
// returns the offset after its content. archive/tar reads all of that too, but does
// not export it.
func (t *tarReader) sparseFile(h *tar.Header, form string, start int64) (*sparseFile, int64, error) {
	main, err := t.findMain(start)
	if err != nil {
		return nil, 0, err
	}
	stored, err := t.stored(h, main)
	if err != nil {
		return nil, 0, err
	}
	at := main + tarBlock // of the content
	end := at + padded(stored)
	var list []int64 // offset and length in turn
	switch form {
	case "old":
		list, at, err = t.oldSparse(main)
		end = at + padded(stored)
	case "0":
		if text := h.PAXRecords[paxSparseMap]; text != "" {
			list, err = numbers(strings.Split(text, ","))
		}
	default:
		list, at, err = t.sparseInFront(at, stored)
	}
	if err == nil && end > t.size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, 0, err
	}
	f := &sparseFile{r: t.r, size: h.Size}
	return f, end, f.fill(list, at, end)
}

// findMain skips the headers that extend the one after them.
func (t *tarReader) findMain(off int64) (int64, error) {
	for {
		var b [1]byte
		if _, err := t.r.ReadAt(b[:], off+156); err != nil {
			return 0, err
		}
		if b[0] != tar.TypeXHeader && b[0] != tar.TypeGNULongName && b[0] != tar.TypeGNULongLink {
			return off, nil
		}
		n, err := t.rawSize(off)
		if err != nil {
			return 0, err
		}
		off += tarBlock + padded(n)
	}
}

// stored is how many bytes follow the header at main.
func (t *tarReader) stored(h *tar.Header, main int64) (int64, error) {
	if v, ok := h.PAXRecords["size"]; ok {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 || n > t.size {
			return 0, fmt.Errorf("size %q", v)
		}
		return n, nil
	}
	return t.rawSize(main)
}

// rawSize is the size in the header at off.
func (t *tarReader) rawSize(off int64) (int64, error) {
	var b [12]byte
	if _, err := t.r.ReadAt(b[:], off+124); err != nil {
		return 0, err
	}
	n, err := tarNumber(b[:])
	if err == nil && n > t.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// tarNumber parses a number: octal digits or, if the first bit is set, base 256.
func tarNumber(b []byte) (int64, error) {
	n := int64(0)
	if b[0]&0x80 != 0 {
		for i, c := range b {
			if i == 0 {
				c &^= 0x80
			}
			if n > math.MaxInt64>>8 || b[0] == 0xff {
				return 0, fmt.Errorf("number %x is negative or too large", b)
			}
			n = n<<8 | int64(c)
		}
		return n, nil
	}
	for _, c := range strings.Trim(string(b), " \x00") {
		if c < '0' || c > '7' || n > math.MaxInt64>>3 {
			return 0, fmt.Errorf("number %q", b)
		}
		n = n<<3 | int64(c-'0')
	}
	return n, nil
}

// fill checks the list and sets the offsets of its ranges.
func (f *sparseFile) fill(list []int64, start, limit int64) error {
	if len(list)%2 != 0 {
		return fmt.Errorf("list of %d numbers", len(list))
	}
	end := int64(0)
	for ; len(list) > 0; list = list[2:] {
		r := Range{list[0], list[1]}
		if r.Off < end || r.Len < 0 || r.Off > f.size || r.Len > f.size-r.Off || r.Len > limit-start {
			return fmt.Errorf("%d bytes at %d, in a file of %d", r.Len, r.Off, f.size)
		}
		end = r.Off + r.Len
		if r.Len > 0 {
			f.ranges, f.at = append(f.ranges, r), append(f.at, start)
		}
		start += r.Len
	}
	return nil
}

// oldSparse reads the table in a header and the blocks that extend it, and returns
// the offset after these.
func (t *tarReader) oldSparse(at int64) (list []int64, start int64, err error) {
	b := make([]byte, tarBlock)
	table, n, more := oldSparse, oldSparseEntries, oldSparseExtended
	for start = at; ; table, n, more = 0, extSparseEntries, extSparseExtended {
		if k, err := t.r.ReadAt(b, start); k < tarBlock {
			return nil, 0, err
		}
		start += tarBlock
		for e := b[table : table+n*sparseEntry]; len(e) > 0 && e[0] != 0; e = e[sparseEntry:] {
			for _, field := range [][]byte{e[:12], e[12:24]} {
				v, err := tarNumber(field)
				if err != nil {
					return nil, 0, err
				}
				list = append(list, v)
			}
		}
		if b[more] == 0 {
			return list, start, nil
		}
	}
}

// sparseInFront reads the table before the content, which together have n bytes,
// and returns the offset after the table. It has one number per line, beginning
// with the number of entries.
func (t *tarReader) sparseInFront(at, n int64) ([]int64, int64, error) {
	in := bufio.NewReader(io.NewSectionReader(t.r, at, n))
	read := int64(0)
	line := func() (int64, error) {
		text, err := in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("table of ranges: %w", err)
		}
		read += int64(len(text))
		v, err := numbers([]string{string(text[:len(text)-1])})
		if err != nil {
			return 0, err
		}
		return v[0], nil
	}
	entries, err := line()
	if err != nil {
		return nil, 0, err
	}
	if entries > n/4 { // each takes two digits and two line ends
		return nil, 0, fmt.Errorf("table of %d ranges in %d bytes", entries, n)
	}
	var list []int64
	for range 2 * entries {
		v, err := line()
		if err != nil {
			return nil, 0, err
		}
		list = append(list, v)
	}
	return list, at + padded(read), nil
}

// numbers reads decimal numbers that are not negative.
func numbers(texts []string) ([]int64, error) {
	out := make([]int64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("number %.40q in a table of ranges", text)
		}
		out[i] = n
	}
	return out, nil
}

// from is the index of the first range that ends after off.
func (f *sparseFile) from(off int64) int {
	return sort.Search(len(f.ranges), func(i int) bool { return f.ranges[i].Off+f.ranges[i].Len > off })
}

// next is the start of the next block that has any data, or the size.
func (f *sparseFile) next(off int64) int64 {
	i := f.from(off)
	if i == len(f.ranges) {
		return f.size
	}
	return max(off, f.ranges[i].Off/HoleSize*HoleSize)
}

// ReadAt implements io.ReaderAt.
func (f *sparseFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= f.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > f.size-off
	if short {
		p = p[:f.size-off]
	}
	clear(p)
	end := off + int64(len(p))
	for i := f.from(off); i < len(f.ranges) && f.ranges[i].Off < end; i++ {
		r := f.ranges[i]
		from, to := max(r.Off, off), min(r.Off+r.Len, end)
		if n, err := f.r.ReadAt(p[from-off:to-off], f.at[i]+from-r.Off); n < int(to-from) {
			return int(from-off) + n, err
		}
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// padded is n rounded up to whole blocks.
func padded(n int64) int64 { return (n + tarBlock - 1) &^ (tarBlock - 1) }
