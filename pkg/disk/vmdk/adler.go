// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import "encoding/binary"

// adler32 is zlib's checksum (RFC 1950) of b, whose length is a multiple of 8.
// It adds eight bytes at a time in 16-bit lanes, which is some four times as
// fast as hash/adler32; that would take a tenth of the compressor's time.
func adler32(b []byte) uint32 {
	const (
		mod    = 65521
		lanes  = 0x00FF00FF00FF00FF
		stride = 20 * 8 // 20 words: the lanes of the second sums stay below 65536
	)
	s1, s2 := uint64(1), uint64(0)
	for len(b) > 0 {
		n := min(len(b), stride)
		// sumN are the sums of the bytes at even and odd places, preN the sums of
		// all earlier values of sumN.
		var sum0, sum1, pre0, pre1 uint64
		for p := b[:n]; len(p) >= 8; p = p[8:] {
			x := binary.LittleEndian.Uint64(p)
			pre0 += sum0
			pre1 += sum1
			sum0 += x & lanes
			sum1 += x >> 8 & lanes
		}
		b = b[n:]
		s2 += s1 * uint64(n)
		for i := range 4 {
			e, o := sum0>>(16*i)&0xFFFF, sum1>>(16*i)&0xFFFF
			s1 += e + o
			s2 += 8*(pre0>>(16*i)&0xFFFF+pre1>>(16*i)&0xFFFF) + uint64(8-2*i)*e + uint64(7-2*i)*o
		}
		s1 %= mod
		s2 %= mod
	}
	return uint32(s2<<16 | s1)
}
