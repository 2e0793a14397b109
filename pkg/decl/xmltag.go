// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package decl

import "strings"

// scanTag reads the start tag in data[at:end], which encoding/xml has found
// to be well-formed, once more: the decoder tells where a tag begins and
// ends, but not where its attributes do.
func scanTag(f *file, data []byte, at, end int) *node {
	i := nameEnd(data, at+1, end)
	n := &node{name: string(data[at+1 : i]), file: f, data: data, start: at, nameEnd: i}
	for {
		i = skip(data, i, end, blanks)
		if i >= end || data[i] == '>' || data[i] == '/' {
			return n
		}
		start := i
		i = nameEnd(data, i, end)
		a := attribute{name: string(data[start:i]), at: f.at(start, i)}
		i = skip(data, i, end, blanks+"=")
		if i >= end || i == start {
			return n
		}
		v := run{i + 1, i + 1}
		for v.to < end && data[v.to] != data[i] {
			v.to++
		}
		a.value, a.in = decodeValue(f, data, v), f.at(v.from, v.to)
		n.attrs = append(n.attrs, a)
		i = v.to + 1
	}
}

// nameEnd returns where the name that begins at i ends.
func nameEnd(data []byte, i, end int) int {
	for i < end && strings.IndexByte(blanks+`=/>"'<`, data[i]) < 0 {
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
