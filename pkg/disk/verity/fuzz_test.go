// SPDX-License-Identifier: MPL-2.0

package verity

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// sparse has up to n runs of whole blocks, of which some are zero.
func sparse(t testing.TB, seed uint64, blocks int64, n int) *image.Image {
	r := rand.New(rand.NewPCG(seed, 2))
	var xs []image.Extent
	for at := int64(0); len(xs) < n; {
		if at += r.Int64N(1 + 2*blocks/int64(n)); at >= blocks {
			break
		}
		run := min(1+r.Int64N(200), blocks-at)
		b := bytes.Repeat([]byte{byte(r.Uint32() & 3)}, int(run*blockSize))
		xs = append(xs, image.Extent{Off: at * blockSize, Len: run * blockSize, Src: image.Bytes(b)})
		at += run
	}
	m, err := image.New(blocks*blockSize, xs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// FuzzBuild has our reader and veritysetup check trees for random data.
func FuzzBuild(f *testing.F) {
	f.Add(uint16(1), uint8(1), uint64(1), []byte(nil))
	f.Add(uint16(129), uint8(4), uint64(2), []byte("salt"))
	f.Add(uint16(8000), uint8(20), uint64(3), bytes.Repeat([]byte{0}, maxSalt))
	f.Fuzz(func(t *testing.T, blocks uint16, n uint8, seed uint64, salt []byte) {
		if blocks %= 1 << 13; blocks == 0 {
			return
		}
		data := sparse(t, seed, int64(blocks), int(n))
		m, root, err := Build(t.Context(), data, Options{Salt: salt, UUID: [16]byte{byte(seed), 1}, Workers: 1 + int(seed%3)})
		if err != nil {
			if len(salt) <= maxSalt {
				t.Error(err)
			}
			return
		}
		if ps, err := Check(t.Context(), data, m); err != nil || len(ps) > 0 {
			t.Errorf("damage: %v, %v", ps, err)
		}
		run(t, "verify", write(t, data), write(t, m), hex.EncodeToString(root))
	})
}
