// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
	"unicode"
)

// Text is character data after decoding, with the place of each part in the file.
type Text struct {
	file *File
	S    string
	segs []segment // of the text that S is a part of, in order
	off  int       // of S in that text
}

// segment says that the text from at up to the next segment came from the bytes
// [from,to) of the file: either byte by byte, or all of it from one reference or
// line break.
type segment struct {
	at, from, to int
	linear       bool
}

// Place returns the place of s[from:to]. The whole text must not be empty.
func (t Text) Place(from, to int) Place {
	start, end := t.locate(from + t.off)
	if to > from {
		_, end = t.locate(to - 1 + t.off)
	}
	return Place{t.file, start, end}
}

// locate returns the range of bytes from which byte i of the whole text came.
func (t Text) locate(i int) (from, to int) {
	g := t.segs[max(0, sort.Search(len(t.segs), func(k int) bool { return t.segs[k].at > i })-1)]
	if !g.linear {
		return g.from, g.to
	}
	from = min(g.from+i-g.at, g.to)
	return from, min(from+1, g.to)
}

// Sub returns t reduced to s[from:to].
func (t Text) Sub(from, to int) Text {
	return Text{t.file, t.S[from:to], t.segs, t.off + from}
}

// Since returns the part of t that begins with one of its words.
func (t Text) Since(word Text) Text { return t.Sub(word.off-t.off, len(t.S)) }

// Replaced is a text in place of everything at a place.
func Replaced(at Place, s string) Text {
	return Text{file: at.File, S: s, segs: []segment{{0, at.from, at.to, false}}}
}

// Plain is a text that is not in a file.
func Plain(s string) Text { return Text{S: s} }

// Offset is the offset of t in the text that it is a part of.
func (t Text) Offset() int { return t.off }

// Trim returns t without white space at its ends.
func (t Text) Trim() Text {
	from := len(t.S) - len(strings.TrimLeft(t.S, Blanks))
	return t.Sub(from, max(from, len(strings.TrimRight(t.S, Blanks))))
}

// Blanks are the white space of XML.
const Blanks = " \t\r\n"

// Words splits t at white space.
func (t Text) Words() []Text {
	var ws []Text
	for i := 0; i < len(t.S); {
		if strings.IndexByte(Blanks, t.S[i]) >= 0 {
			i++
			continue
		}
		end := i + 1
		for end < len(t.S) && strings.IndexByte(Blanks, t.S[end]) < 0 {
			end++
		}
		ws = append(ws, t.Sub(i, end))
		i = end
	}
	return ws
}

// run is a piece of raw character data in a file: text or one CDATA section.
type run struct{ from, to int }

var (
	cdataStart = []byte("<![CDATA[")
	cdataEnd   = []byte("]]>")
)

// decodeText decodes and joins runs of well-formed character data.
func decodeText(f *File, data []byte, runs []run) Text {
	t := Text{file: f}
	var b strings.Builder
	for _, r := range runs {
		refs := true
		if bytes.HasPrefix(data[r.from:r.to], cdataStart) {
			r.from, r.to, refs = r.from+len(cdataStart), r.to-len(cdataEnd), false
		}
		t.segs = decodeRun(&b, t.segs, data, r, refs, false)
	}
	t.S = b.String()
	return t
}

// decodeValue decodes an attribute value: all white space becomes blanks (XML 1.0
// section 3.3.3).
func decodeValue(f *File, data []byte, r run) Text {
	var b strings.Builder
	segs := decodeRun(&b, nil, data, r, true, true)
	return Text{file: f, S: b.String(), segs: segs}
}

// decodeRun appends one run, without the CDATA marks, to b.
func decodeRun(b *strings.Builder, segs []segment, data []byte, r run, refs, value bool) []segment {
	special := "\r"
	if refs {
		special += "&"
	}
	if value {
		special += "\n\t"
	}
	for i := r.from; i < r.to; {
		n := bytes.IndexAny(data[i:r.to], special)
		if n < 0 {
			n = r.to - i
		}
		if n > 0 {
			segs = append(segs, segment{b.Len(), i, i + n, true})
			b.Write(data[i : i+n])
			i += n
			continue
		}
		out, end := "\n", i+1
		if data[i] == '&' {
			c, e, _ := reference(data[:r.to], i)
			out, end = string(c), e
		} else if data[i] == '\r' && end < r.to && data[end] == '\n' {
			end++
		}
		if value && data[i] != '&' {
			out = " "
		}
		segs = append(segs, segment{b.Len(), i, end, false})
		b.WriteString(out)
		i = end
	}
	return segs
}

// reference reads the character or entity reference at data[i], an ampersand. If
// there is none, end is the next byte.
func reference(data []byte, i int) (r rune, end int, ok bool) {
	rest := data[i+1:]
	n := bytes.IndexByte(rest[:min(len(rest), 32)], ';')
	if n < 0 {
		return '&', i + 1, false
	}
	name, end := string(rest[:n]), i+1+n+1
	if num, found := strings.CutPrefix(name, "#"); found {
		base := 10
		if hex, found := strings.CutPrefix(num, "x"); found {
			num, base = hex, 16
		}
		c, err := strconv.ParseUint(num, base, 32)
		if err != nil || c > unicode.MaxRune {
			return '&', i + 1, false
		}
		return rune(c), end, true
	}
	switch name {
	case "amp":
		return '&', end, true
	case "lt":
		return '<', end, true
	case "gt":
		return '>', end, true
	case "quot":
		return '"', end, true
	case "apos":
		return '\'', end, true
	}
	return '&', i + 1, false
}
