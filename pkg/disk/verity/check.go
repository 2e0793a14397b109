// SPDX-License-Identifier: MPL-2.0

package verity

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Device is data or hashes on a disk.
type Device interface {
	io.ReaderAt
	Size() int64
}

// Check hashes all data and compares it with the tree, level by level, in bounded
// memory. Only the kernel's command line tells whether the root hash is the right
// one. The error is that of ctx.
func Check(ctx context.Context, data, hashes Device) ([]damage.Problem, error) {
	c := &checker{}
	n, ok := c.open(data, hashes)
	if !ok {
		return c.Problems(), nil
	}
	sizes := levels(n)
	at := int64(1) // blocks of the levels; the data's is the last
	for _, s := range sizes {
		at += s
	}
	if at > hashes.Size()/blockSize {
		c.Add("superblock", "the tree for %d blocks takes %d, and the device has %d", n, at, hashes.Size()/blockSize)
		return c.Problems(), nil
	}
	below, from := data, int64(0)
	for _, s := range sizes {
		at -= s
		if err := c.level(ctx, stretch{below, from, n}, stretch{hashes, at, s}); err != nil {
			return nil, err
		}
		below, from, n = hashes, at, s
	}
	return c.Problems(), nil
}

type checker struct {
	damage.List
	h *hasher
}

// open reads the superblock and returns the number of data blocks.
func (c *checker) open(data, hashes Device) (int64, bool) {
	le := binary.LittleEndian
	b := make([]byte, blockSize)
	if n, err := hashes.ReadAt(b, 0); n < len(b) {
		c.Add("superblock", "it cannot be read: %v", err)
		return 0, false
	}
	salt := int(le.Uint16(b[sbSaltSize:]))
	algorithm, _, _ := bytes.Cut(b[sbAlgorithm:sbDataBlock], []byte{0})
	blocks := le.Uint64(b[sbDataBlocks:])
	switch {
	case string(b[:len(sbMagic)]) != sbMagic || le.Uint32(b[sbVersion:]) != 1 || le.Uint32(b[sbHashType:]) != 1:
		c.Add("superblock", "there is none of format 1")
	case string(algorithm) != "sha256" || le.Uint32(b[sbDataBlock:]) != blockSize || le.Uint32(b[sbHashBlock:]) != blockSize:
		c.Add("superblock", "it has the algorithm %q with blocks of %d and %d bytes, which is not checked", algorithm, le.Uint32(b[sbDataBlock:]), le.Uint32(b[sbHashBlock:]))
	case salt > maxSalt:
		c.Add("superblock", "a salt of %d bytes", salt)
	case blocks == 0 || blocks > uint64(data.Size()/blockSize):
		c.Add("superblock", "it is for %d blocks of data, and there are %d", blocks, data.Size()/blockSize)
	default:
		c.h = newHasher(b[sbSalt : sbSalt+salt])
		return int64(blocks), true
	}
	return 0, false
}

// stretch is n blocks of a device from one on.
type stretch struct {
	r    io.ReaderAt
	from int64
	n    int64
}

// level compares hashes with the blocks that they are for.
func (c *checker) level(ctx context.Context, below, hashes stretch) error {
	buf, stored := make([]byte, blockHashes*blockSize), make([]byte, blockSize)
	damaged, first := 0, int64(0)
	for i := range hashes.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(below.n-i*blockHashes, blockHashes)*blockSize]
		n, err := below.r.ReadAt(b, (below.from+i*blockHashes)*blockSize)
		if n == len(b) {
			n, err = hashes.r.ReadAt(stored, (hashes.from+i)*blockSize)
		}
		if n < len(stored) {
			c.Add(fmt.Sprintf("hash block %d", hashes.from+i), "it, or what it is of, cannot be read: %v", err)
			return nil
		}
		if !bytes.Equal(stored, c.h.block(b)) {
			if damaged++; damaged == 1 {
				first = i
			}
		}
	}
	if damaged > 0 {
		c.Add("tree", "%d hash blocks do not fit what they are of; the first is block %d, of blocks %d and following", damaged, hashes.from+first, below.from+first*blockHashes)
	}
	return nil
}
