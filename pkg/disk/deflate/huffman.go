// SPDX-License-Identifier: MPL-2.0

package deflate

import (
	"math/bits"
)

// Alphabet sizes of deflate (RFC 1951).
const (
	litSymbols   = 286 // literals, end of block, lengths
	distSymbols  = 30
	clenSymbols  = 19 // code lengths of the other two codes
	endOfBlock   = 256
	maxCodeBits  = 15
	maxClenBits  = 7
	symbolBits   = 9 // bits for a symbol beside its count when sorting
	symbolMask   = 1<<symbolBits - 1
	longestDepth = 32 // of a Huffman tree over at most 65537 symbols
)

// code is a Huffman code: the bits in writing order, low bit first, and their
// number.
type code struct {
	bits uint16
	n    uint8
}

// codeBuilder makes length-limited Huffman codes. It has only scratch space.
type codeBuilder struct {
	sorted [litSymbols]uint32 // count and symbol
	other  [litSymbols]uint32
	node   [litSymbols]uint32
}

// lengths fills lens with the code length of each symbol, 0 for those that do not
// occur. At least two symbols get one, which every inflater accepts.
func (h *codeBuilder) lengths(counts []uint32, lens []uint8, limit int) {
	n := 0
	for s, c := range counts {
		lens[s] = 0
		if c > 0 {
			h.sorted[n] = c<<symbolBits | uint32(s)
			n++
		}
	}
	sorted := h.sorted[:n]
	if n < 2 {
		lens[0], lens[1] = 1, 1
		if n == 1 && sorted[0]&symbolMask > 1 {
			lens[1], lens[sorted[0]&symbolMask] = 0, 1
		}
		return
	}
	h.sort(n)
	depths := h.depths(sorted)
	limitDepths(&depths, limit)
	i := 0
	for d := limit; d > 0; d-- {
		for range depths[d] {
			lens[sorted[i]&symbolMask] = uint8(d)
			i++
		}
	}
}

// sort orders the first n symbols by their counts, least significant digit
// first.
func (h *codeBuilder) sort(n int) {
	const digit, mask = 6, 1<<6 - 1
	a, b := h.sorted[:n], h.other[:n]
	all := uint32(0)
	for _, v := range a {
		all |= v
	}
	for shift := symbolBits; all>>shift > 0; shift += digit {
		var at [mask + 1]uint16
		for _, v := range a {
			at[v>>shift&mask]++
		}
		sum := uint16(0)
		for i, c := range at {
			at[i] = sum
			sum += c
		}
		for _, v := range a {
			d := v >> shift & mask
			b[at[d]] = v
			at[d]++
		}
		a, b = b, a
	}
	copy(h.sorted[:n], a)
}

// depths counts the leaves of the Huffman tree by depth, with the in-place
// algorithm of Moffat and Katajainen (1995).
func (h *codeBuilder) depths(sorted []uint32) (counts [longestDepth + 1]int) {
	n := len(sorted)
	a := h.node[:n]
	for i := range a {
		a[i] = sorted[i] >> symbolBits
	}
	root, leaf := 0, 0
	take := func(next int) uint32 {
		if leaf >= n || root < next && a[root] < a[leaf] {
			w := a[root]
			a[root] = uint32(next)
			root++
			return w
		}
		leaf++
		return a[leaf-1]
	}
	for next := range n - 1 {
		w := take(next)
		a[next] = w + take(next)
	}
	a[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		a[i] = a[a[i]] + 1 // depth of the inner node
	}
	free, depth, inner := 1, uint32(0), n-2
	for free > 0 {
		used := 0
		for ; inner >= 0 && a[inner] == depth; inner-- {
			used++
		}
		counts[min(depth, longestDepth)] += free - used
		free, depth = 2*used, depth+1
	}
	return counts
}

// limitDepths shortens codes above the limit and lengthens others until the code is
// valid again.
func limitDepths(counts *[longestDepth + 1]int, limit int) {
	for d := limit + 1; d <= longestDepth; d++ {
		counts[limit] += counts[d]
		counts[d] = 0
	}
	kraft := 0
	for d := 1; d <= limit; d++ {
		kraft += counts[d] << (limit - d)
	}
	for ; kraft > 1<<limit; kraft-- {
		d := limit - 1
		for counts[d] == 0 {
			d--
		}
		counts[limit]--
		counts[d]--
		counts[d+1] += 2
	}
}

// assign gives symbols the canonical codes of their lengths.
func assign(lens []uint8, codes []code) {
	var count, next [maxCodeBits + 1]uint16
	for _, l := range lens {
		count[l]++
	}
	count[0] = 0
	for l := 1; l <= maxCodeBits; l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for s, l := range lens {
		codes[s] = code{bits.Reverse16(next[l]) >> (16 - l), l}
		next[l]++
	}
}
