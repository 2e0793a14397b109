// SPDX-License-Identifier: MPL-2.0

package ext4

// Versions of the hash in the index of a directory; with unsignedHash added,
// characters are unsigned.
const (
	hashLegacy   = 0
	hashTEA      = 2
	unsignedHash = 3
	hashVersions = 6 // the next one needs a key

	flagUnsignedHash = 2 // of the superblock
)

// nameHash is a hash of names.
type nameHash struct {
	version int
	seed    dirHash
}

// known reports whether the hash can be computed.
func (h nameHash) known() bool { return h.version < hashVersions }

// sum is the hash of a name, with bit 0 cleared.
func (h nameHash) sum(name string) uint32 {
	extend := func(c byte) uint32 { return uint32(int32(int8(c))) }
	version := h.version
	if version >= unsignedHash {
		version -= unsignedHash
		extend = func(c byte) uint32 { return uint32(c) }
	}
	var sum uint32
	switch state := h.seed; version {
	case hashLegacy:
		sum = legacyHash(name, extend)
	case hashHalfMD4:
		for ; len(name) > 0; name = name[min(len(name), 32):] {
			in := [8]uint32(words(name, 8, extend))
			state.transform(&in)
		}
		sum = state[1]
	case hashTEA:
		for ; len(name) > 0; name = name[min(len(name), 16):] {
			tea(&state, [4]uint32(words(name, 4, extend)))
		}
		sum = state[0]
	}
	return sum &^ 1
}

// words packs as many characters as fit into n words, padded with the length of the
// rest of the name.
func words(name string, n int, extend func(byte) uint32) []uint32 {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	out := make([]uint32, n)
	for i := range out {
		v := pad
		for k := 4 * i; k < min(len(name), 4*i+4); k++ {
			v = extend(name[k]) + v<<8
		}
		out[i] = v
	}
	return out
}

// legacyHash is the first of these hashes (dx_hack_hash).
func legacyHash(name string, extend func(byte) uint32) uint32 {
	h0, h1 := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for i := range len(name) {
		h := h1 + (h0 ^ extend(name[i])*7152373)
		if h&(1<<31) != 0 {
			h -= 1<<31 - 1
		}
		h0, h1 = h, h0
	}
	return h0 << 1
}

// tea adds sixteen rounds of the Tiny Encryption Algorithm to the state.
func tea(state *dirHash, in [4]uint32) {
	b0, b1, sum := state[0], state[1], uint32(0)
	for range 16 {
		sum += 0x9e3779b9
		b0 += (b1<<4 + in[0]) ^ (b1 + sum) ^ (b1>>5 + in[1])
		b1 += (b0<<4 + in[2]) ^ (b0 + sum) ^ (b0>>5 + in[3])
	}
	state[0] += b0
	state[1] += b1
}
