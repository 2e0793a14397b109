// SPDX-License-Identifier: MPL-2.0

// Package deflate compresses blocks of 64 KiB, one by one, as raw deflate streams
// (RFC 1951), in about the size of zlib's default and at several times its speed. It
// reads nothing, and compresses nothing else.
package deflate

// BlockSize is the size of what is compressed at a time, in bytes.
const BlockSize = 64 << 10

// DefaultLevel is about the size that zlib's own default gives, at several times
// its speed.
const DefaultLevel = 6

// MaxDistance is how far matches of a deflate stream may reach back, in bytes.
const MaxDistance = maxDistance

// New gives a function that appends the raw deflate stream of a block to dst. Level
// is 1 to 6: 0 is DefaultLevel, and all above are as 6; matches reach back at most
// MaxDistance bytes, or less when asked for. The function is not for concurrent use.
func New(n, reach int) func(dst, block []byte) []byte {
	if n <= 0 {
		n = DefaultLevel
	}
	return newDeflater(newLevel(n, min(reach, maxDistance))).deflate
}

func newLevel(n, reach int) level {
	if n <= 3 {
		return level{nice: 16, reach: reach}
	}
	return level{nice: 32, lazy: 8, reach: reach}
}
