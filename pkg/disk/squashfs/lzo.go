// SPDX-License-Identifier: MPL-2.0

package squashfs

// expandLZO decompresses a stream of LZO1X, as described in the kernel's
// Documentation/staging/lzo.rst: instructions that copy from the preceding output,
// each followed by none to three literals, and runs of literals. The meaning of an
// instruction below 16 depends on the number of preceding literals, which is in
// after.
func expandLZO(p []byte, most int64) ([]byte, error) {
	w, in := window{most: most}, input{p: p}
	after := 0
	if len(p) > 0 && p[0] > 17 {
		n := int(in.next()) - 17
		w.literals(&in, n)
		after = min(n, manyLiterals)
	}
	for w.err == nil && in.err == nil {
		op := int(in.next())
		if op < 16 && after == 0 {
			w.literals(&in, in.run(op, 15)+3)
			after = manyLiterals
			continue
		}
		distance, n, trailing, end := in.copyOf(op, after)
		if end {
			break
		}
		w.match(distance, n)
		w.literals(&in, trailing)
		after = trailing
	}
	return w.result(&in)
}

// manyLiterals is the state after a run of literals.
const manyLiterals = 4

// copyOf decodes a copy instruction: distance and length, and the number of
// literals after it. end is the mark at the end of a stream.
func (in *input) copyOf(op, after int) (distance, n, trailing int, end bool) {
	switch {
	case op >= 64:
		return (int(in.next())<<3 | op>>2&7) + 1, op>>5 + 1, op & 3, false
	case op >= 32:
		n = in.run(op&31, 31) + 2
		d := in.word()
		return d>>2 + 1, n, d & 3, false
	case op >= 16:
		n = in.run(op&7, 7) + 2
		d := in.word()
		distance = 1<<14 + op&8<<11 + d>>2
		return distance, n, d & 3, distance == 1<<14
	case after == manyLiterals:
		return int(in.next())<<2 + op>>2 + 2049, 3, op & 3, false
	}
	return int(in.next())<<2 + op>>2 + 1, 2, op & 3, false
}

// run is n or, if that is 0, the largest value of its field plus the following
// bytes: 255 for each byte of zero, and the first other byte.
func (in *input) run(n, largest int) int {
	if n != 0 {
		return n
	}
	for n = largest; in.err == nil; n += 255 {
		if b := in.next(); b != 0 {
			return n + int(b)
		}
	}
	return n
}

func (in *input) word() int {
	low := in.next()
	return int(low) | int(in.next())<<8
}
