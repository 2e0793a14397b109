// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// provenFile is a blob that is read in place, at any offset. The whole blob has been
// compared with its digest, and each block got a tag. Whatever happens to the file
// later, a block is returned only if it still matches its tag. A tag is a GMAC with a
// secret key: someone who can write to the file cannot make another block that matches,
// and computing it takes a fraction of the time of a digest.
type provenFile struct {
	file  *os.File
	size  int64
	block int64 // bytes that share a tag; the last block may be shorter
	mac   cipher.AEAD
	tags  []byte
	last  [8]provenBlock // by their numbers modulo 8
}

// provenBlock is a block of which a part has been read; reads of other parts are
// likely to follow.
type provenBlock struct {
	mu    sync.Mutex
	n     int64 // its number plus 1; 0 if empty
	bytes []byte
}

const (
	tagSize    = 16       // bytes
	leastBlock = 16 << 10 // minimum bytes of a block
	mostTags   = 4 << 20  // maximum bytes of the tags of a blob; its blocks are large enough for that
)

// openProven opens a blob, reads all of it and compares it with its descriptor.
func openProven(ctx context.Context, path string, d v1.Descriptor, report func(int64)) (*provenFile, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	p := &provenFile{file: f, size: d.Size, block: blockFor(d.Size)}
	p.tags = make([]byte, 0, (p.size+p.block-1)/p.block*tagSize) // so that Seal does not have to grow it
	var key [16]byte
	if _, err = rand.Read(key[:]); err == nil {
		var c cipher.Block
		if c, err = aes.NewCipher(key[:]); err == nil {
			p.mac, err = cipher.NewGCM(c)
		}
	}
	if err == nil {
		err = p.prove(ProgressReader(ctx, newVerifier(f, d.Digest, d.Size), 0, report))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return p, nil
}

// blockFor is the length of the blocks of a blob.
func blockFor(size int64) int64 {
	block := int64(leastBlock)
	for size > mostTags/tagSize*block {
		block *= 2
	}
	return block
}

// prove reads a blob from beginning to end. If the blob is not the right one, r returns
// an error.
func (p *provenFile) prove(r io.Reader) error {
	buf := make([]byte, max(p.block, 256<<10)) // whole blocks
	for i := int64(0); ; {
		n, err := io.ReadFull(r, buf)
		for b := buf[:n]; len(b) > 0; i++ {
			k := min(p.block, int64(len(b)))
			p.tags = p.tag(p.tags, i, b[:k])
			b = b[k:]
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			return nil
		default:
			return err
		}
	}
}

// tag appends the tag of a block.
func (p *provenFile) tag(to []byte, i int64, block []byte) []byte {
	var nonce [12]byte
	binary.BigEndian.PutUint64(nonce[:], uint64(i))
	return p.mac.Seal(to, nonce[:], nil, block)
}

// ReadAt implements io.ReaderAt.
func (p *provenFile) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	for done := 0; done < len(b); {
		at := off + int64(done)
		if at >= p.size {
			return done, io.EOF
		}
		start := at - at%p.block
		into := b[done:min(int64(len(b)), int64(done)+p.size-at)]
		if end := start + int64(len(into)); at == start && end < p.size {
			into = into[:int64(len(into))-end%p.block] // whole blocks
		}
		if at == start && len(into) > 0 {
			if err := p.read(into, start); err != nil {
				return done, err
			}
			done += len(into)
			continue
		}
		n, err := p.part(b[done:], at)
		if done += n; err != nil {
			return done, err
		}
	}
	return len(b), nil
}

// part returns the part of a block that begins at an offset.
func (p *provenFile) part(b []byte, off int64) (int, error) {
	i := off / p.block
	l := &p.last[i%int64(len(p.last))]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n != i+1 {
		l.n = 0
		if l.bytes == nil {
			l.bytes = make([]byte, p.block)
		}
		l.bytes = l.bytes[:min(p.block, p.size-i*p.block)]
		if err := p.read(l.bytes, i*p.block); err != nil {
			return 0, err
		}
		l.n = i + 1
	}
	return copy(b, l.bytes[off-i*p.block:]), nil
}

// read reads whole blocks.
func (p *provenFile) read(b []byte, start int64) error {
	if n, err := p.file.ReadAt(b, start); n < len(b) {
		if err == io.EOF {
			return p.changed()
		}
		return err
	}
	tag := make([]byte, 0, tagSize)
	for i := start / p.block; len(b) > 0; i++ {
		k := min(p.block, int64(len(b)))
		if subtle.ConstantTimeCompare(p.tag(tag, i, b[:k]), p.tags[i*tagSize:(i+1)*tagSize]) != 1 {
			return p.changed()
		}
		b = b[k:]
	}
	return nil
}

func (p *provenFile) changed() error {
	return fmt.Errorf("%s has changed while it was in use: %w", p.file.Name(), ErrDigest)
}

// Close implements io.Closer.
func (p *provenFile) Close() error { return p.file.Close() }
