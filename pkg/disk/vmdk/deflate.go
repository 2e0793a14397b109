// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import (
	"encoding/binary"
	"math/bits"
)

// grainDeflater compresses single grains as deflate streams (RFC 1951). All
// it knows fits a core's second-level cache, positions fit 16 bits, and nothing
// outlives a grain; that makes it faster than a general compressor of the same
// ratio.
type grainDeflater struct {
	level fastLevel
	in    [grainSize + 8]byte // the grain, and room to load 8 bytes at its end
	table [1 << hashBits]uint64
	match matchTables
	codes codeBuilder

	tokens   [grainSize]token
	n        int // tokens of the block
	lit      [litSymbols]uint32
	dist     [distSymbols]uint32
	litLens  [litSymbols]uint8
	distLens [distSymbols]uint8
	litCode  [litSymbols]code
	distCode [distSymbols]code
	lenCode  [256]uint32 // by length - 3: code, extra bits, and their number from bit 24 on

	out  []byte
	acc  uint64 // bits not yet in out
	nacc uint   // below 8 between blocks
}

// token is a literal, or a match: bit 31, length - 3 from bit 16 on, distance - 1.
type token uint32

const matchToken = 1 << 31

// matchTables turn lengths and distances into symbols.
type matchTables struct {
	lenSym    [256]uint8 // by length - 3, without the 257
	lenBase   [32]uint8
	lenExtra  [32]uint8
	distNear  [256]uint8 // by distance - 1
	distFar   [256]uint8 // by (distance - 1) / 128
	distBase  [32]uint16
	distExtra [32]uint8
}

func newGrainDeflater(l fastLevel) *grainDeflater {
	d := &grainDeflater{level: l}
	m := &d.match
	base := 0
	for s := range 28 {
		m.lenBase[s] = uint8(base)
		if s >= 8 {
			m.lenExtra[s] = uint8(s/4 - 1)
		}
		for range 1 << m.lenExtra[s] {
			m.lenSym[base&0xFF] = uint8(s)
			base++
		}
	}
	m.lenSym[255], m.lenBase[28] = 28, 255 // 258 has a symbol of its own
	base = 0
	for s := range distSymbols {
		m.distBase[s] = uint16(base)
		if s >= 4 {
			m.distExtra[s] = uint8(s/2 - 1)
		}
		for range 1 << m.distExtra[s] {
			if base < 256 {
				m.distNear[base] = uint8(s)
			}
			m.distFar[base>>7] = uint8(s)
			base++
		}
	}
	return d
}

func (m *matchTables) distSym(d uint32) uint8 {
	if d < 256 {
		return m.distNear[d]
	}
	return m.distFar[d>>7&0xFF]
}

// deflate appends the stream of one grain to dst. A stream that would be
// larger than the grain becomes a stored one.
func (d *grainDeflater) deflate(dst, grain []byte) []byte {
	copy(d.in[:], grain)
	clear(d.table[:])
	d.out, d.acc, d.nacc = dst, 0, 0
	d.parse()
	if len(d.out)-len(dst) < grainSize {
		return d.out
	}
	const first = 0xFFFF // the most that a stored block holds
	dst = append(d.out[:len(dst)], 0, 0xFF, 0xFF, 0, 0)
	dst = append(dst, grain[:first]...)
	dst = append(dst, 1, 1, 0, 0xFE, 0xFF)
	return append(dst, grain[first:]...)
}

// put writes up to 32 bits; acc has room for 7 more.
func (d *grainDeflater) put(v uint64, n uint) {
	d.acc |= v << d.nacc
	d.nacc += n
	for ; d.nacc >= 8; d.nacc -= 8 {
		d.out = append(d.out, byte(d.acc))
		d.acc >>= 8
	}
}

// block writes the tokens so far as a block with codes of its own.
func (d *grainDeflater) block(final bool) {
	d.lit[endOfBlock]++
	d.codes.lengths(d.lit[:], d.litLens[:], maxCodeBits)
	d.codes.lengths(d.dist[:], d.distLens[:], maxCodeBits)
	assign(d.litLens[:], d.litCode[:])
	assign(d.distLens[:], d.distCode[:])
	head := uint64(2 << 1) // dynamic codes
	if final {
		head |= 1
	}
	d.put(head, 3)
	d.header()
	for l := range d.lenCode {
		s := d.match.lenSym[l] & 31
		c := d.litCode[257+uint32(s)]
		extra := uint32(l) - uint32(d.match.lenBase[s])
		d.lenCode[l] = uint32(c.bits) | extra<<c.n | uint32(c.n+d.match.lenExtra[s])<<24
	}
	d.body()
	end := d.litCode[endOfBlock]
	d.put(uint64(end.bits), uint(end.n))
	if final {
		d.put(0, (8-d.nacc)&7)
	}
	d.n = 0
	clear(d.lit[:])
	clear(d.dist[:])
}

// bodyBytes bounds what the block's tokens take.
func (d *grainDeflater) bodyBytes() int {
	n := 0
	for s, c := range d.lit {
		n += int(c) * int(d.litLens[s])
		if s > endOfBlock {
			n += int(c) * int(d.match.lenExtra[s-257])
		}
	}
	for s, c := range d.dist {
		n += int(c) * int(d.distLens[s]+d.match.distExtra[s])
	}
	return n/8 + 16
}

// body writes the tokens. Each takes at most 48 bits, so that one store of 8
// bytes flushes it with the 7 bits that may be left from before.
func (d *grainDeflater) body() {
	need := d.bodyBytes()
	if cap(d.out)-len(d.out) < need {
		d.out = append(d.out, make([]byte, need)...)[:len(d.out)]
	}
	buf, pos := d.out[len(d.out):cap(d.out)], 0
	acc, nacc := d.acc, d.nacc
	for _, t := range d.tokens[:d.n] {
		if t < matchToken {
			c := d.litCode[t&0xFF]
			acc |= uint64(c.bits) << (nacc & 63)
			nacc += uint(c.n)
		} else {
			l := d.lenCode[t>>16&0xFF]
			acc |= uint64(l&0xFFFFFF) << (nacc & 63)
			nacc += uint(l >> 24)
			v := uint32(t) & 0x7FFF
			s := d.match.distSym(v) & 31
			c := d.distCode[s%distSymbols]
			acc |= uint64(uint32(c.bits)|(v-uint32(d.match.distBase[s]))<<(c.n&31)) << (nacc & 63)
			nacc += uint(c.n) + uint(d.match.distExtra[s])
		}
		binary.LittleEndian.PutUint64(buf[pos:pos+8], acc)
		pos += int(nacc >> 3)
		acc >>= nacc & 56
		nacc &= 7
	}
	d.out, d.acc, d.nacc = d.out[:len(d.out)+pos], acc, nacc
}

// header writes the code lengths, run-length coded (RFC 1951, 3.2.7).
func (d *grainDeflater) header() {
	order := [clenSymbols]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	nlit, ndist := trim(d.litLens[:], 257), trim(d.distLens[:], 1)
	var all [litSymbols + distSymbols]uint8
	copy(all[:], d.litLens[:nlit])
	copy(all[nlit:], d.distLens[:ndist])
	var buf [litSymbols + distSymbols]run
	runs := runLengths(buf[:0], all[:nlit+ndist])
	var counts [clenSymbols]uint32
	for _, r := range runs {
		counts[r.symbol]++
	}
	var lens [clenSymbols]uint8
	var codes [clenSymbols]code
	d.codes.lengths(counts[:], lens[:], maxClenBits)
	assign(lens[:], codes[:])
	n := clenSymbols
	for n > 4 && lens[order[n-1]] == 0 {
		n--
	}
	d.put(uint64(nlit-257)|uint64(ndist-1)<<5|uint64(n-4)<<10, 14)
	for _, s := range order[:n] {
		d.put(uint64(lens[s]), 3)
	}
	for _, r := range runs {
		c := codes[r.symbol]
		d.put(uint64(c.bits)|uint64(r.extra)<<c.n, uint(c.n+r.bits))
	}
}

// run is a code length, or a repetition with extra bits.
type run struct{ symbol, extra, bits uint8 }

func runLengths(runs []run, lens []uint8) []run {
	for i := 0; i < len(lens); {
		v, n := lens[i], 1
		for i+n < len(lens) && lens[i+n] == v {
			n++
		}
		i += n
		if v != 0 { // 16 repeats the one before
			runs = append(runs, run{symbol: v})
			for n--; n >= 3; n -= min(n, 6) {
				runs = append(runs, run{16, uint8(min(n, 6) - 3), 2})
			}
		} else {
			for ; n >= 11; n -= min(n, 138) {
				runs = append(runs, run{18, uint8(min(n, 138) - 11), 7})
			}
			if n >= 3 {
				runs = append(runs, run{17, uint8(n - 3), 3})
				n = 0
			}
		}
		for ; n > 0; n-- {
			runs = append(runs, run{symbol: v})
		}
	}
	return runs
}

// trim is the length of lens without zeros at the end, at least least.
func trim(lens []uint8, least int) int {
	n := len(lens)
	for n > least && lens[n-1] == 0 {
		n--
	}
	return n
}

// The compiler drops the bounds checks of these loads, since in is longer than
// a grain by 8 bytes.

func (d *grainDeflater) load32(i int) uint32 {
	return binary.LittleEndian.Uint32(d.in[i&(grainSize-1):])
}

func (d *grainDeflater) load64(i int) uint64 {
	return binary.LittleEndian.Uint64(d.in[i&(grainSize-1):])
}

// equal is how many bytes at i and j are equal, at most n.
func (d *grainDeflater) equal(i, j, n int) int {
	k := 0
	for ; k+8 <= n; k += 8 {
		if x := d.load64(i+k) ^ d.load64(j+k); x != 0 {
			return k + bits.TrailingZeros64(x)>>3
		}
	}
	for k < n && d.in[(i+k)&(grainSize-1)] == d.in[(j+k)&(grainSize-1)] {
		k++
	}
	return k
}
