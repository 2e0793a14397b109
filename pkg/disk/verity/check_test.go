// SPDX-License-Identifier: MPL-2.0

package verity

import (
	"bytes"
	"io"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// memory is a device in memory.
type memory struct{ image.Bytes }

func (m memory) Size() int64 { return int64(len(m.Bytes)) }

func load(t testing.TB, m *image.Image) memory {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return memory{b}
}

// TestCheck finds any changed byte of data or of the tree, and nothing else.
func TestCheck(t *testing.T) {
	for _, blocks := range []int64{1, 2, 128, 129, 300, 20000} {
		m := random(t, blocks, blocks > 1000)
		h, _, err := Build(t.Context(), m, Options{Salt: []byte("salt")})
		if err != nil {
			t.Fatal(err)
		}
		data, hashes := load(t, m), load(t, h)
		if ps, err := Check(t.Context(), data, hashes); err != nil || len(ps) > 0 {
			t.Errorf("%d blocks: %v, %v", blocks, ps, err)
		}
		if blocks == 1 {
			continue // its hash is the root hash
		}
		for _, x := range []struct {
			m  memory
			at int
		}{{data, 5}, {data, len(data.Bytes) - 1}, {hashes, 4096 + 8}, {hashes, len(hashes.Bytes) - 1}, {hashes, 0}, {hashes, 88}, {hashes, 81}, {hashes, 79}, {hashes, 33}} {
			x.m.Bytes[x.at] ^= 0x40
			if ps, err := Check(t.Context(), data, hashes); err != nil || len(ps) == 0 {
				t.Errorf("%d blocks, byte %d changed: %v, %v", blocks, x.at, ps, err)
			}
			x.m.Bytes[x.at] ^= 0x40
		}
		if ps, err := Check(t.Context(), data, memory{bytes.Clone(hashes.Bytes[:4096])}); err != nil || len(ps) == 0 {
			t.Errorf("%d blocks, no tree: %v, %v", blocks, ps, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	m := random(f, 140, false)
	h, _, err := Build(f.Context(), m, Options{})
	if err != nil {
		f.Fatal(err)
	}
	data, hashes := load(f, m), load(f, h)
	f.Add(uint16(80), byte(255), uint16(0))
	f.Fuzz(func(t *testing.T, at uint16, value byte, cut uint16) {
		b := bytes.Clone(hashes.Bytes)
		b[int(at)%len(b)] = value
		if _, err := Check(t.Context(), data, memory{b[:len(b)-int(cut)%len(b)]}); err != nil {
			t.Error(err)
		}
	})
}
