// SPDX-License-Identifier: MPL-2.0

package ext4

import "math/bits"

// dirHash is the initial state for the hash of a name: the superblock's hash seed,
// or the constants of MD4 if that is zero.
type dirHash [4]uint32

func newDirHash(seed [16]byte) dirHash {
	if seed == [16]byte{} {
		return dirHash{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	}
	var h dirHash
	for i := range h {
		h[i] = le.Uint32(seed[4*i:])
	}
	return h
}

// sum is the hash half_md4 with signed characters (fs/ext4/hash.c,
// __ext4fs_dirhash). Bit 0 is clear: in an index it marks a continuation.
func (h dirHash) sum(name string) uint32 {
	for len(name) > 0 {
		var in [8]uint32
		hashWords(&in, name)
		h.transform(&in)
		name = name[min(len(name), 32):]
	}
	const eof = 0x7fffffff << 1
	sum := h[1] &^ 1
	if sum == eof {
		sum = (0x7fffffff - 1) << 1
	}
	return sum
}

// hashWords packs the next 32 bytes of a name, padded with the length of the rest
// of the name (str2hashbuf_signed).
func hashWords(in *[8]uint32, name string) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	for i := range in {
		in[i] = pad
	}
	v, n := pad, min(len(name), 32)
	for i := range n {
		v = uint32(int32(int8(name[i]))) + v<<8
		if i%4 == 3 {
			in[i/4], v = v, pad
		}
	}
	if n%4 != 0 {
		in[n/4] = v
	}
}

// transform is half_md4_transform: three rounds of eight steps.
func (h *dirHash) transform(in *[8]uint32) {
	const k2, k3 = 0x5a827999, 0x6ed9eba1
	a, b, c, d := h[0], h[1], h[2], h[3]
	for i := range 8 {
		a += (d ^ b&(c^d)) + in[i]
		a, b, c, d = d, bits.RotateLeft32(a, [4]int{3, 7, 11, 19}[i%4]), b, c
	}
	for i, k := range [8]int{1, 3, 5, 7, 0, 2, 4, 6} {
		a += (b&c + (b^c)&d) + in[k] + k2
		a, b, c, d = d, bits.RotateLeft32(a, [4]int{3, 5, 9, 13}[i%4]), b, c
	}
	for i, k := range [8]int{3, 7, 2, 6, 1, 5, 0, 4} {
		a += (b ^ c ^ d) + in[k] + k3
		a, b, c, d = d, bits.RotateLeft32(a, [4]int{3, 9, 11, 15}[i%4]), b, c
	}
	h[0] += a
	h[1] += b
	h[2] += c
	h[3] += d
}
