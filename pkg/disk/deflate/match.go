// SPDX-License-Identifier: MPL-2.0

package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	hashBits    = 14
	maxDistance = 32768
	maxMatch    = 258
	minMatch    = 4 // shorter ones are rarely worth their distance
	searchEnd   = BlockSize - 8

	// blockTokens is the number of tokens in a block: codes fit the data better
	// than with one block per grain, which is worth the header.
	blockTokens = 6000
	// missShift says after how many bytes without a match the step of the search
	// grows by one byte.
	missShift = 7
	// midStep is the distance of the positions in the middle of a match that are
	// entered; those at its ends all are.
	midStep = 3
)

// The main cost here is not instructions but mispredicted branches: one each time
// costs as much as some ten bytes. Hence literals take a straight path, the
// comparison of candidates has no branches, and entering the positions of a match
// mostly needs no loop.

// level is how thoroughly to search for matches.
type level struct {
	nice  int // a match of this length is not compared with another candidate's
	lazy  int // below this length, the next byte may begin a better one
	reach int // maximum distance of a match in bytes
}

// window is a grain, with space to load 8 bytes at its end.
type window [BlockSize + 8]byte

func (w *window) load(i uint32) uint64 { return binary.LittleEndian.Uint64(w[i&(BlockSize-1):]) }

// hashTable has for each hash the last two positions, the later one in the low 16
// bits. Unset entries refer to position 0, which is compared like any other.
type hashTable [1 << hashBits]uint32

// enter enters position i, with the four bytes v, and returns the two previous
// ones.
func (t *hashTable) enter(v, i uint32) uint32 {
	e := &t[v*0x9E3779B1>>(32-hashBits)]
	old := *e
	*e = old<<16 | i
	return old
}

// candidate has the number of the eight bytes that are equal there, from bit 16 on,
// and the position: the larger of two is the better one, and of equal ones the
// nearer.
type candidate uint64

// compare makes a candidate from the bytes there xor the current ones.
func compare(xor uint64, at uint32) candidate {
	return candidate(uint64(bits.TrailingZeros64(xor))&^7<<13 | uint64(at))
}

// better is max without a branch.
func better(a, b candidate) candidate {
	d := int64(a - b)
	return b + candidate(d&^(d>>63))
}

func (c candidate) length() int { return int(c >> 16) }
func (c candidate) at() int     { return int(c & 0xFFFF) }

// parse turns the grain into tokens and writes them in blocks.
func (d *deflater) parse() {
	d.n = 0
	d.literal(d.in[0]) // has nothing before it, and would find itself
	i, misses := 1, 0
	for i < searchEnd {
		v := d.in.load(uint32(i))
		old := d.table.enter(uint32(v), uint32(i))
		c0, c1 := old&0xFFFF, old>>16
		x0, x1 := d.in.load(c0)^v, d.in.load(c1)^v
		if uint32(x0) == 0 || uint32(x1) == 0 {
			if next := d.match(i, x0, x1, c0, c1); next > i {
				i, misses = next, 0
				continue
			}
		}
		d.literal(byte(v))
		i++
		misses++
		if k := misses >> missShift; k > 0 {
			k = min(i+k, searchEnd)
			d.literals(i, k)
			i = k
		}
	}
	d.literals(i, BlockSize)
	d.block(true)
}

// literals adds the bytes from on up to end.
func (d *deflater) literals(from, end int) {
	n := d.n
	for _, b := range d.in[from:end] {
		d.tokens[n&(BlockSize-1)] = token(b)<<lenShift | noDistance<<distShift
		d.lens[b]++
		n++
	}
	d.n = n
}

// match adds the better of the two candidates for i, or a match that starts later
// and is better still, and returns its end, or i if they are too far away.
func (d *deflater) match(i int, x0, x1 uint64, c0, c1 uint32) int {
	c := better(compare(x0, c0), compare(x1, c1))
	l, dist := c.length(), i-c.at()
	if dist > d.level.reach {
		return i
	}
	if l == 8 {
		n := min(BlockSize-i, maxMatch)
		l = d.extend(c.at(), i, n)
		if other := int(c1); l < d.level.nice && x1 == 0 && other != c.at() && i-other <= d.level.reach {
			if m := d.extend(other, i, n); m > l {
				l, dist = m, i-other
			}
		}
	}
	next := i + 1 // to be entered
	for l < d.level.lazy && next < searchEnd {
		v := d.in.load(uint32(next))
		old := d.table.enter(uint32(v), uint32(next))
		c0, c1 := old&0xFFFF, old>>16
		c := better(compare(d.in.load(c0)^v, c0), compare(d.in.load(c1)^v, c1))
		next++
		if c.length() <= l || next-1-c.at() > d.level.reach {
			break
		}
		d.literal(d.in[i&(BlockSize-1)])
		i++
		if l, dist = c.length(), i-c.at(); l == 8 {
			l = d.extend(c.at(), i, min(BlockSize-i, maxMatch))
		}
	}
	d.reference(l, dist)
	d.enterMatch(next, i+l)
	if d.n >= blockTokens {
		d.block(false)
	}
	return i + l
}

// enterMatch enters positions of a match, from on up to end: some in the middle of
// a long one.
func (d *deflater) enterMatch(from, end int) {
	if end >= searchEnd {
		return
	}
	d.enter(from)
	d.enter(from + 1)
	if from+2 >= end-2 {
		return
	}
	for i := from + midStep; i < end-2; i += midStep {
		d.enter(i)
	}
	d.enter(end - 2)
	d.enter(end - 1)
}

func (d *deflater) enter(i int) { d.table.enter(uint32(d.in.load(uint32(i))), uint32(i)) }

// extend is how many bytes at i and j are equal, at most n; the first 8 are.
func (d *deflater) extend(i, j, n int) int {
	k := 8
	for ; k+8 <= n; k += 8 {
		if x := d.in.load(uint32(i+k)) ^ d.in.load(uint32(j+k)); x != 0 {
			return k + bits.TrailingZeros64(x)>>3
		}
	}
	for k < n && d.in[(i+k)&(BlockSize-1)] == d.in[(j+k)&(BlockSize-1)] {
		k++
	}
	return k
}

func (d *deflater) literal(b byte) {
	d.tokens[d.n&(BlockSize-1)] = token(b)<<lenShift | noDistance<<distShift
	d.lens[b]++
	d.n++
}

// reference adds a match of a length at a distance.
func (d *deflater) reference(l, dist int) {
	v := uint32(dist - 1)
	s := d.syms.ofDist(v) & 31
	x := uint32(l-minLength)&0xFF + 256
	d.tokens[d.n&(BlockSize-1)] = token(x)<<lenShift | token(s)<<distShift | token(v-uint32(d.syms.distBase[s]))
	d.lens[x]++
	d.dist[s]++
	d.n++
}
