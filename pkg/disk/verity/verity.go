// SPDX-License-Identifier: MPL-2.0

// Package verity makes the hash tree with which the kernel's dm-verity checks
// every block of a read-only file system when it is read: format 1, SHA-256,
// blocks of 4096 bytes, with a superblock, as veritysetup makes it. Signatures
// of the root hash and forward error correction are left out.
package verity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"golang.org/x/sync/errgroup"
)

// Options of Build.
type Options struct {
	Salt    []byte // before every block, at most 256 bytes; nil for none
	UUID    [16]byte
	Workers int // goroutines that read and hash; 0 means one per CPU
}

// ErrSize says that data is empty or not a multiple of 4096 bytes.
var ErrSize = errors.New("dm-verity needs data of whole blocks of 4096 bytes")

// Size is the size of the hash device for that many bytes of data.
func Size(dataSize int64) int64 {
	n := int64(1) // superblock
	for _, l := range levels((dataSize + blockSize - 1) / blockSize) {
		n += l
	}
	return n * blockSize
}

// Build reads data once, except for holes, and makes the hash device for it and the
// root hash. The tree is in memory: 1/128 of the data, less if data has holes.
func Build(ctx context.Context, data *image.Image, o Options) (*image.Image, []byte, error) {
	if data.Size() == 0 || data.Size()%blockSize != 0 {
		return nil, nil, fmt.Errorf("%w, not %d", ErrSize, data.Size())
	}
	if len(o.Salt) > maxSalt {
		return nil, nil, fmt.Errorf("dm-verity: salt of %d bytes, at most %d fit", len(o.Salt), maxSalt)
	}
	n := data.Size() / blockSize
	h := newHasher(o.Salt)
	level, root, err := hashData(ctx, data, o)
	if err != nil {
		return nil, nil, fmt.Errorf("hash data for dm-verity: %w", err)
	}
	tree := level
	for len(level) > 0 {
		root = h.sum(level[0])
		if len(level) == 1 {
			break
		}
		level = h.up(level)
		tree = slices.Concat(level, tree) // the root's level comes first
	}
	blocks := slices.Concat([][]byte{superblock(n, o)}, tree)
	size := Size(data.Size())
	m, err := image.New(size, []image.Extent{{Len: size, Src: blockDevice(blocks)}})
	if err != nil {
		return nil, nil, fmt.Errorf("lay out dm-verity: %w", err)
	}
	return m, root, nil
}

// hashData makes the lowest level. If the data is a single block, there is none,
// and the block's hash is the root.
func hashData(ctx context.Context, data *image.Image, o Options) ([][]byte, []byte, error) {
	n := data.Size() / blockSize
	if n == 1 {
		b := make([]byte, blockSize)
		if _, err := data.ReadAt(b, 0); err != nil && err != io.EOF {
			return nil, nil, err
		}
		return nil, newHasher(o.Salt).sum(b), nil
	}
	out := make([][]byte, levels(n)[0])
	hole := newHasher(o.Salt).holes(blockHashes)
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers {
		g.Go(func() error {
			h, buf := newHasher(o.Salt), make([]byte, blockHashes*blockSize)
			for i := next.Add(1) - 1; i < int64(len(out)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				off := i * int64(len(buf))
				b := buf[:min(int64(len(buf)), data.Size()-off)]
				if len(b) == len(buf) && !data.Covered(off, int64(len(b))) {
					out[i] = hole
					continue
				}
				if k, err := data.ReadAt(b, off); k < len(b) {
					return err
				}
				out[i] = h.block(b)
			}
			return ctx.Err()
		})
	}
	return out, nil, g.Wait()
}

// hasher computes hashes with a salt; it is for one goroutine.
type hasher struct {
	hash.Hash
	salt []byte
	zero []byte // hash of a block of zeros
}

func newHasher(salt []byte) *hasher {
	h := &hasher{Hash: sha256.New(), salt: salt}
	h.zero = h.sum(zeros)
	return h
}

var zeros = make([]byte, blockSize)

// sum is the hash of a block.
func (h *hasher) sum(block []byte) []byte {
	h.Reset()
	h.Write(h.salt)
	h.Write(block)
	return h.Sum(nil)
}

// block is a hash block for up to 128 blocks of data, padded with zeros.
func (h *hasher) block(data []byte) []byte {
	out := make([]byte, 0, blockSize)
	for ; len(data) > 0; data = data[blockSize:] {
		if bytes.Equal(data[:blockSize], zeros) {
			out = append(out, h.zero...)
			continue
		}
		out = append(out, h.sum(data[:blockSize])...)
	}
	return out[:blockSize]
}

// holes is a hash block for n blocks of zeros.
func (h *hasher) holes(n int) []byte {
	return append(bytes.Repeat(h.zero, n), make([]byte, blockSize-n*digestSize)...)
}

// up is the level above a level. Identical consecutive blocks for holes are hashed
// once.
func (h *hasher) up(level [][]byte) [][]byte {
	var out [][]byte
	var last, sum []byte
	for blocks := range slices.Chunk(level, blockHashes) {
		b := make([]byte, 0, blockSize)
		for _, x := range blocks {
			if last == nil || &x[0] != &last[0] {
				last, sum = x, h.sum(x)
			}
			b = append(b, sum...)
		}
		out = append(out, b[:blockSize])
	}
	return out
}

// blockDevice is a device of blocks in memory, of which several may be the same.
type blockDevice [][]byte

// ReadAt implements io.ReaderAt.
func (d blockDevice) ReadAt(p []byte, off int64) (int, error) {
	return image.ReadBlocks(p, off, int64(len(d))*blockSize, blockSize, func(p []byte, off int64) error {
		copy(p, d[off/blockSize][off%blockSize:])
		return nil
	})
}
