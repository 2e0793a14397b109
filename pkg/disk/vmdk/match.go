// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

const (
	hashBits    = 14
	maxDistance = 32768
	maxMatch    = 258
	minMatch    = 4 // shorter ones are rarely worth their distance

	// blockTokens is when a block ends: codes follow the data more closely than
	// with one block a grain, which is worth its header.
	blockTokens = 8192
	// missShift says after how many bytes without a match the search becomes
	// sparser by one more byte.
	missShift = 5
)

// fastLevel is how thoroughly to look for matches.
type fastLevel struct {
	ways int // earlier places with the same hash to compare, 2 or 4
	nice int // a match of this length is taken at once
	lazy int // below this length, the next byte may begin a better one
}

// insert enters position i in the hash table and returns the four earlier ones
// with the same hash, the latest in the low 16 bits. Entries that were never
// set name position 0, which compares like any other.
func (d *grainDeflater) insert(i int) uint64 {
	e := &d.table[d.load32(i)*0x9E3779B1>>(32-hashBits)]
	old := *e
	*e = old<<16 | uint64(i)
	return old
}

// find looks for a match at i that is longer than best, which is at least 3.
// It returns best and 0 when there is none. n is at most what is left.
func (d *grainDeflater) find(i, best, ways, n int) (length, distance int) {
	v := d.load32(i)
	old := d.insert(i)
	if best >= n {
		return best, 0
	}
	tail := d.load32(i + best - 3)
	for ; ways > 0; ways-- {
		c := int(old & 0xFFFF)
		old >>= 16
		if d.load32(c+best-3) != tail || d.load32(c) != v || i-c > maxDistance {
			continue
		}
		l := minMatch + d.equal(c+minMatch, i+minMatch, n-minMatch)
		if l <= best {
			continue
		}
		best, distance = l, i-c
		if l >= d.level.nice || l == n {
			break
		}
		tail = d.load32(i + best - 3)
	}
	return best, distance
}

func (d *grainDeflater) literal(i int) {
	b := d.in[i&(grainSize-1)]
	d.tokens[d.n&(grainSize-1)] = token(b)
	d.lit[b]++
	d.n++
}

// parse turns the grain into tokens and writes them in blocks.
func (d *grainDeflater) parse() {
	const end = grainSize - 8 // no search in the last bytes
	d.n = 0
	d.literal(0) // has nothing before it, and would find itself
	i, missed := 1, 0
	for i < end {
		l, dist := d.find(i, minMatch-1, d.level.ways, min(grainSize-i, maxMatch))
		if dist == 0 {
			d.literal(i)
			i++
			missed++
			for k := missed >> missShift; k > 0 && i < end; k-- {
				d.literal(i)
				i++
			}
			continue
		}
		missed = 0
		next := i + 1
		for l < d.level.lazy && next < end {
			l2, dist2 := d.find(next, l, 1, min(grainSize-next, maxMatch))
			next++
			if dist2 == 0 {
				break
			}
			d.literal(i)
			i++
			l, dist = l2, dist2
		}
		d.tokens[d.n&(grainSize-1)] = matchToken | token(l-3)<<16 | token(dist-1)
		d.lit[257+uint32(d.match.lenSym[(l-3)&0xFF]&31)]++
		d.dist[d.match.distSym(uint32(dist-1))%distSymbols]++
		d.n++
		i += l
		for stop := min(i, end); next < stop; next++ {
			d.insert(next)
		}
		if d.n >= blockTokens {
			d.block(false)
		}
	}
	for ; i < grainSize; i++ {
		d.literal(i)
	}
	d.block(true)
}
