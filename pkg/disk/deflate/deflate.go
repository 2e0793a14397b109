// SPDX-License-Identifier: MPL-2.0

package deflate

import (
	"encoding/binary"
	"slices"
)

// deflater compresses single grains as deflate streams (RFC 1951). Its whole state
// fits into a core's second-level cache, positions fit into 16 bits, and nothing is
// kept between grains; that makes it faster than a general compressor with the same
// ratio.
type deflater struct {
	level level
	in    window
	table hashTable
	syms  symbols
	codes codeBuilder

	// The block so far.
	tokens [BlockSize]token
	n      int
	stored bool        // it would be larger than the grain
	lens   [512]uint32 // number of occurrences of each literal and, from 256 on, of each length
	dist   [32]uint32  // number of occurrences of each distance symbol

	lit      [litSymbols]uint32
	litLens  [litSymbols]uint8
	distLens [distSymbols]uint8
	litCode  [litSymbols]code
	distCode [distSymbols]code
	lenBits  [512]uint32 // like lens: code and extra bits, and their number from bit 24 on
	distBits [32]uint32  // code, its length from bit 16 on, that with the extra bits from bit 24 on

	out  []byte
	acc  uint64 // bits not yet in out
	nacc uint   // below 8 between blocks
}

// token is a literal, or a length and a distance: the extra bits of the distance,
// its symbol from distShift on, and from lenShift on the literal or 256 + length -
// 3. Literals also have a distance, of zero bits, so that writing one needs no
// branch.
type token uint32

const (
	distShift  = 13
	lenShift   = 18
	noDistance = 30
	minLength  = 3 // the shortest that deflate has a code for
)

// symbols are those of lengths and distances.
type symbols struct {
	lenSym    [256]uint8 // by length - 3, without the 257
	lenBase   [32]uint8
	lenExtra  [32]uint8
	distSym   [512]uint8 // by distance - 1 where that is below 256, else by 256 + (distance - 1) / 128
	distBase  [32]uint16
	distExtra [32]uint8
}

func newDeflater(l level) *deflater {
	d := &deflater{level: l}
	m := &d.syms
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
	m.lenSym[255], m.lenBase[28] = 28, 255 // 258 has its own symbol
	base = 0
	for s := range distSymbols {
		m.distBase[s] = uint16(base)
		if s >= 4 {
			m.distExtra[s] = uint8(s/2 - 1)
		}
		for range 1 << m.distExtra[s] {
			if base < 256 {
				m.distSym[base] = uint8(s)
			}
			m.distSym[256+(base>>7)] = uint8(s)
			base++
		}
	}
	return d
}

func (m *symbols) ofDist(d uint32) uint8 {
	far := uint32(int32(255-d) >> 31) // all bits, or none
	return m.distSym[(d&^far|(d>>7+256)&far)&511]
}

// deflate appends the stream of one grain to dst. A stream that would be
// larger than the grain becomes a stored one.
func (d *deflater) deflate(dst, grain []byte) []byte {
	copy(d.in[:], grain)
	clear(d.table[:])
	d.out, d.acc, d.nacc = dst, 0, 0
	d.stored = false
	d.parse()
	if len(d.out)-len(dst) < BlockSize && !d.stored {
		return d.out
	}
	const first = 0xFFFF // the largest size of a stored block
	dst = append(d.out[:len(dst)], 0, 0xFF, 0xFF, 0, 0)
	dst = append(dst, grain[:first]...)
	dst = append(dst, 1, 1, 0, 0xFE, 0xFF)
	return append(dst, grain[first:]...)
}

// put writes up to 32 bits into the space that write has reserved.
func (d *deflater) put(v uint64, n uint) {
	d.acc |= v << (d.nacc & 63)
	d.nacc += n
	end := len(d.out)
	binary.LittleEndian.PutUint64(d.out[end:end+8], d.acc)
	d.out = d.out[:end+int(d.nacc>>3)]
	d.acc >>= d.nacc & 56
	d.nacc &= 7
}

// block writes the tokens so far as a block with its own codes, unless that alone
// is too large.
func (d *deflater) block(final bool) {
	d.countSymbols()
	d.codes.lengths(d.lit[:], d.litLens[:], maxCodeBits)
	d.codes.lengths(d.dist[:distSymbols], d.distLens[:], maxCodeBits)
	if need := d.bodyBytes(); need > BlockSize+bodyRoom {
		d.stored = true
	} else {
		d.write(need, final)
	}
	d.n = 0
	clear(d.lens[:])
	clear(d.dist[:])
}

// write writes the block, whose body takes at most need bytes.
func (d *deflater) write(need int, final bool) {
	d.out = slices.Grow(d.out, need+headerRoom)
	assign(d.litLens[:], d.litCode[:])
	assign(d.distLens[:], d.distCode[:])
	head := uint64(2 << 1) // dynamic codes
	if final {
		head |= 1
	}
	d.put(head, 3)
	d.header()
	d.fillBits()
	d.body()
	end := d.litCode[endOfBlock]
	d.put(uint64(end.bits), uint(end.n))
	if final {
		d.put(0, (8-d.nacc)&7)
	}
}

// countSymbols counts the block's literals and lengths by symbol.
func (d *deflater) countSymbols() {
	copy(d.lit[:], d.lens[:256])
	clear(d.lit[256:])
	for l, n := range d.lens[256:] {
		d.lit[257+uint32(d.syms.lenSym[l]&31)] += n
	}
	d.lit[endOfBlock] = 1
}

// fillBits computes the bits for each part of a token.
func (d *deflater) fillBits() {
	for l := range 256 {
		c := d.litCode[l]
		d.lenBits[l] = uint32(c.bits) | uint32(c.n)<<24
		s := d.syms.lenSym[l] & 31
		c = d.litCode[257+uint32(s)]
		extra := uint32(l) - uint32(d.syms.lenBase[s])
		d.lenBits[256+l] = uint32(c.bits) | extra<<c.n | uint32(c.n+d.syms.lenExtra[s])<<24
	}
	for s, c := range d.distCode {
		d.distBits[s] = uint32(c.bits) | uint32(c.n)<<16 | uint32(c.n+d.syms.distExtra[s])<<24
	}
}

// headerRoom is more than a block needs besides its tokens: 14 bits for each of 316
// code lengths, and those of the code that they are in.
const headerRoom = 640

// bodyRoom is more than what stores of 8 bytes write after the last bit.
const bodyRoom = 16

// bodyBytes bounds the size of the block's tokens.
func (d *deflater) bodyBytes() int {
	n := 0
	for s, c := range d.lit {
		n += int(c) * int(d.litLens[s])
		if s > endOfBlock {
			n += int(c) * int(d.syms.lenExtra[s-257])
		}
	}
	for s, c := range d.dist[:distSymbols] {
		n += int(c) * int(d.distLens[s]+d.syms.distExtra[s])
	}
	return n/8 + bodyRoom
}

// body writes the tokens. Each takes at most 48 bits, so that one store of 8 bytes
// flushes it with the 7 bits that may be left over.
func (d *deflater) body() {
	buf, pos := d.out[len(d.out):cap(d.out)], 0
	acc, nacc := d.acc, d.nacc
	for _, t := range d.tokens[:d.n] {
		l, c := d.lenBits[t>>lenShift&511], d.distBits[t>>distShift&31]
		v := uint64(c&0xFFFF) | uint64(t&(1<<distShift-1))<<(c>>16&31)
		v = uint64(l&0xFFFFFF) | v<<(l>>24&63)
		acc |= v << (nacc & 63)
		nacc += uint(l>>24 + c>>24)
		binary.LittleEndian.PutUint64(buf[pos:pos+8], acc)
		pos += int(nacc >> 3)
		acc >>= nacc & 56
		nacc &= 7
	}
	d.out, d.acc, d.nacc = d.out[:len(d.out)+pos], acc, nacc
}

// header writes the code lengths, run-length coded (RFC 1951, 3.2.7).
func (d *deflater) header() {
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
		if v != 0 { // 16 repeats the previous one
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
