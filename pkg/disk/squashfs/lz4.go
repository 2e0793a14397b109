// SPDX-License-Identifier: MPL-2.0

package squashfs

import "io"

// expandLZ4 decompresses one block of LZ4 (its "Block Format Description"):
// sequences of a token, literals, and a match in the preceding output.
func expandLZ4(p []byte, most int64) ([]byte, error) {
	w := window{most: most}
	in := input{p: p}
	for {
		token := in.next()
		w.literals(&in, in.extend(int(token>>4), 15))
		if w.err != nil || in.err != nil || len(in.p) == 0 { // the last sequence has no match
			return w.result(&in)
		}
		low := in.next()
		distance := int(low) | int(in.next())<<8
		w.match(distance, in.extend(int(token&15), 15)+4)
		if w.err != nil || in.err != nil {
			return w.result(&in)
		}
	}
}

// input is the rest of the compressed bytes.
type input struct {
	p   []byte
	err error
}

func (in *input) next() byte {
	if len(in.p) == 0 {
		in.err = io.ErrUnexpectedEOF
		return 0
	}
	b := in.p[0]
	in.p = in.p[1:]
	return b
}

// extend is n, unless n is the largest value of its field: then the following bytes
// are added, up to and including the first below 255.
func (in *input) extend(n, largest int) int {
	for b := byte(255); n >= largest && b == 255 && in.err == nil; n += int(b) {
		b = in.next()
	}
	return n
}

// window is the output so far, and an error if there was one.
type window struct {
	out  []byte
	most int64
	err  error
}

func (w *window) room(n int) bool {
	if w.err == nil && int64(n) > w.most-int64(len(w.out)) {
		w.err = formatError("more than %d bytes when expanded", w.most)
	}
	return w.err == nil
}

func (w *window) literals(in *input, n int) {
	if n > len(in.p) {
		in.err = io.ErrUnexpectedEOF
	}
	if in.err == nil && w.room(n) {
		w.out = append(w.out, in.p[:n]...)
		in.p = in.p[n:]
	}
}

// match repeats n bytes from a distance back, which may overlap with the result.
func (w *window) match(distance, n int) {
	if w.err == nil && (distance < 1 || distance > len(w.out)) {
		w.err = formatError("a match %d bytes back, and there are %d", distance, len(w.out))
	}
	if !w.room(n) {
		return
	}
	for range n {
		w.out = append(w.out, w.out[len(w.out)-distance])
	}
}

func (w *window) result(in *input) ([]byte, error) {
	if w.err == nil && in.err != nil {
		w.err = formatError("compressed bytes end too early")
	}
	return w.out, w.err
}
