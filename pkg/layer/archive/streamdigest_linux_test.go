// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

func TestStreamDigest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, digestBytes - 1, digestBytes, digestBytes + 1, 20*digestBytes + 7} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
			d := newStreamDigest()
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN(3*digestBytes/2))
				piece := bytes.Clone(rest[:n])
				d.write(piece)
				clear(piece) // the caller may reuse it
				rest = rest[n:]
			}
			want := sha256.Sum256(data)
			if got := d.digest(); !bytes.Equal(got, want[:]) {
				t.Errorf("%d bytes: %x, want %x", size, got, want)
			}
			d.end()
		})
	}
	synctest.Test(t, func(*testing.T) {
		d := newStreamDigest()
		d.write(make([]byte, 5*digestBytes))
		d.end()
	})
}
