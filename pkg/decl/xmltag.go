// SPDX-License-Identifier: MPL-2.0

package decl

import "strings"

// scanTag reads the start tag in data[at:end], which encoding/xml has found
// to be well-formed, once more: the decoder tells where a tag begins and
// ends, but not where its attributes do.
func scanTag(f *file, data []byte, at, end int) *node {
	i := nameEnd(data, at+1, end)
	n := &node{name: intern(data[at+1 : i]), file: f, data: data, start: at, nameEnd: i}
	for {
		i = skip(data, i, end, blanks)
		if i >= end || data[i] == '>' || data[i] == '/' {
			return n
		}
		start := i
		i = nameEnd(data, i, end)
		a := attribute{name: intern(data[start:i]), at: f.at(start, i)}
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

// intern returns a name, without making a new string of a known one.
func intern(b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	return string(b)
}

// known has the names of all elements and attributes.
var known = func() map[string]string {
	m := map[string]string{}
	for name, r := range grammar {
		m[name] = name
		for _, a := range r.attrs {
			m[a.name] = a.name
		}
	}
	return m
}()

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
