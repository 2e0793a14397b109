// SPDX-License-Identifier: MPL-2.0

package xmltext

import "strings"

// scanTag scans the start tag in data[at:end] once more, which encoding/xml has
// found to be well-formed: the decoder tells where a tag begins and ends, but not
// where its attributes do.
func (r *reader) scanTag(at, end int) *Node {
	f, data := r.f, r.data
	i := nameEnd(data, at+1, end)
	n := &Node{Name: r.intern(data[at+1 : i]), File: f, data: data, Start: at, nameEnd: i}
	for {
		i = skip(data, i, end, Blanks)
		if i >= end || data[i] == '>' || data[i] == '/' {
			return n
		}
		start := i
		i = nameEnd(data, i, end)
		a := Attribute{Name: r.intern(data[start:i]), At: f.at(start, i)}
		i = skip(data, i, end, Blanks+"=")
		if i >= end || i == start {
			return n
		}
		v := run{i + 1, i + 1}
		for v.to < end && data[v.to] != data[i] {
			v.to++
		}
		a.Value, a.In = decodeValue(f, data, v), f.at(v.from, v.to)
		n.Attrs = append(n.Attrs, a)
		i = v.to + 1
	}
}

// intern returns the same string for the same name.
func (r *reader) intern(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	s := string(b)
	r.names[s] = s
	return s
}

// nameEnd returns where the name that begins at i ends.
func nameEnd(data []byte, i, end int) int {
	for i < end && strings.IndexByte(Blanks+`=/>"'<`, data[i]) < 0 {
		i++
	}
	return i
}

func skip(data []byte, i, end int, set string) int {
	for i < end && strings.IndexByte(set, data[i]) >= 0 {
		i++
	}
	return i
}
