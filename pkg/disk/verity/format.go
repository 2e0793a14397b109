// SPDX-License-Identifier: MPL-2.0

package verity

import "encoding/binary"

// Sizes of the kernel's dm-verity format 1
// (Documentation/admin-guide/device-mapper/verity.rst), with the defaults of
// veritysetup.
const (
	blockSize   = 4096 // of data and of hashes
	digestSize  = 32   // SHA-256
	blockHashes = blockSize / digestSize
	maxSalt     = 256
)

// The superblock (cryptsetup, lib/verity/verity.c, struct verity_sb) takes the
// first hash block; little endian.
const (
	sbMagic      = "verity\x00\x00"
	sbVersion    = 8 // 1
	sbHashType   = 12
	sbUUID       = 16
	sbAlgorithm  = 32 // 32 bytes, padded with zeros
	sbDataBlock  = 64
	sbHashBlock  = 68
	sbDataBlocks = 72
	sbSaltSize   = 80
	sbSalt       = 88
)

// superblock is the first block of the hash device.
func superblock(dataBlocks int64, o Options) []byte {
	le := binary.LittleEndian
	b := make([]byte, blockSize)
	copy(b, sbMagic)
	le.PutUint32(b[sbVersion:], 1)
	le.PutUint32(b[sbHashType:], 1)
	copy(b[sbUUID:], o.UUID[:])
	copy(b[sbAlgorithm:], "sha256")
	le.PutUint32(b[sbDataBlock:], blockSize)
	le.PutUint32(b[sbHashBlock:], blockSize)
	le.PutUint64(b[sbDataBlocks:], uint64(dataBlocks))
	le.PutUint16(b[sbSaltSize:], uint16(len(o.Salt)))
	copy(b[sbSalt:], o.Salt)
	return b
}

// levels are the sizes of the tree's levels in blocks, from the data up; empty if a
// single block of data is its own root.
func levels(dataBlocks int64) []int64 {
	var out []int64
	for n := dataBlocks; n > 1; {
		n = (n + blockHashes - 1) / blockHashes
		out = append(out, n)
	}
	return out
}
