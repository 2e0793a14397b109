// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"bytes"
	"cmp"
	"sort"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// File is a file with an index from byte offsets to lines and columns.
type File struct {
	index int // in reading order
	name  string
	data  []byte
	lines []int32 // offset of each line's first byte
	marks []mark  // every markEvery bytes or so
}

// mark is the number of characters before an offset. A line may have megabytes, so
// columns cannot be counted from its start each time.
type mark struct{ off, chars int32 }

const markEvery = 64

// Place is a range of bytes in a file; from may equal to.
type Place struct {
	File     *File
	from, to int
}

// newFile is a file with a name and contents, the index-th that is read.
func newFile(index int, name string, data []byte) *File {
	f := &File{index: index, name: name, data: data, lines: []int32{0}, marks: []mark{{}}}
	if len(f.data) > MaxFileSize {
		f.data = f.data[:MaxFileSize]
	}
	next := markEvery
	for off, chars := 0, 0; off < len(f.data); chars++ {
		if off >= next {
			f.marks = append(f.marks, mark{int32(off), int32(chars)})
			next = off + markEvery
		}
		if f.data[off] == '\n' {
			f.lines = append(f.lines, int32(off+1))
		}
		if f.data[off] < utf8.RuneSelf {
			off++
			continue
		}
		_, n := utf8.DecodeRune(f.data[off:])
		off += n
	}
	return f
}

// At makes a place in the file.
func (f *File) at(from, to int) Place { return Place{f, from, to} }

// chars returns the number of characters before off. If up is set, a character that
// off is inside of counts too.
func (f *File) chars(off int, up bool) int {
	i := sort.Search(len(f.marks), func(i int) bool { return int(f.marks[i].off) > off }) - 1
	at, chars := int(f.marks[i].off), int(f.marks[i].chars)
	for at < off {
		n := 1
		if f.data[at] >= utf8.RuneSelf {
			_, n = utf8.DecodeRune(f.data[at:])
		}
		if at += n; at > off && !up {
			break
		}
		chars++
	}
	return chars
}

// Compare orders places by file, and by where they begin.
func (p Place) Compare(q Place) int {
	return cmp.Or(cmp.Compare(p.File.index, q.File.index), cmp.Compare(p.from, q.from))
}

// Span converts a place to lines and columns. A place that is empty, or at
// the end of its line, becomes one character long.
func (p Place) Span() finding.Span {
	f := p.File
	from := min(max(p.from, 0), len(f.data))
	to := min(max(p.to, from), len(f.data))
	if from > 0 && from < len(f.data) && f.data[from] == '\n' && f.data[from-1] == '\r' {
		from-- // the end of a line is one place
	}
	line := sort.Search(len(f.lines), func(i int) bool { return int(f.lines[i]) > from }) - 1
	if i := bytes.IndexAny(f.data[from:to], "\r\n"); i >= 0 {
		to = from + i
	}
	start := f.chars(from, false)
	return finding.Span{
		File: f.name,
		Line: line + 1,
		Col:  start - f.chars(int(f.lines[line]), false) + 1,
		Len:  max(f.chars(to, true)-start, 1),
	}
}
