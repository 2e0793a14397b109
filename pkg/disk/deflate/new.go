// SPDX-License-Identifier: MPL-2.0

// Package deflate compresses blocks of 64 KiB, one by one, as raw deflate streams
// (RFC 1951), to about the size of zlib's default and at several times its speed. It
// does not decompress, and does not compress anything else.
package deflate

// BlockSize is the size of a block, in bytes.
const BlockSize = 64 << 10

// DefaultLevel gives about the size of zlib's own default, at several times its
// speed.
const DefaultLevel = 6

// MaxDistance is the largest distance of matches in a deflate stream, in bytes.
const MaxDistance = maxDistance

// New returns a function that appends the raw deflate stream of a block to dst.
// Level is 1 to 6: 0 is DefaultLevel, and all above are as 6; matches reach back at
// most MaxDistance bytes, or less if requested. The function is not for concurrent
// use.
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
