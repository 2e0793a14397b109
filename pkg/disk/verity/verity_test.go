// SPDX-License-Identifier: MPL-2.0

package verity

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// run runs veritysetup and returns what it prints.
func run(t testing.TB, args ...string) string {
	t.Helper()
	return tooltest.Run(t, "veritysetup", args...)
}

// random is a device with holes: alternating runs of up to 300 blocks.
func random(t testing.TB, blocks int64, holes bool) *image.Image {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(blocks), 1))
	var xs []image.Extent
	for at := int64(0); at < blocks; {
		n := min(1+r.Int64N(300), blocks-at)
		b := make([]byte, n*blockSize)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if n > 2 {
			clear(b[blockSize : 2*blockSize]) // zeros that are not a hole
		}
		xs = append(xs, image.Extent{Off: at * blockSize, Len: int64(len(b)), Src: image.Bytes(b)})
		at += n
		if holes {
			at += r.Int64N(600)
		}
	}
	m, err := image.New(blocks*blockSize, xs)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t testing.TB, m *image.Image) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.Copy(f, io.NewSectionReader(m, 0, m.Size())); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

var rootHash = regexp.MustCompile(`Root hash:\s+([0-9a-f]{64})`)

// TestLikeVeritysetup compares devices of all depths with veritysetup's.
func TestLikeVeritysetup(t *testing.T) {
	o := Options{
		Salt: bytes.Repeat([]byte{0xCA, 5}, 16),
		UUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	}
	for _, tt := range []struct {
		blocks int64
		holes  bool
		salt   []byte
	}{
		{1, false, o.Salt},
		{2, false, o.Salt},
		{128, false, o.Salt},
		{129, true, o.Salt[:1]},
		{5000, true, o.Salt},
		{128 * 128, true, nil},
		{128*128 + 1, true, bytes.Repeat(o.Salt, 8)},
	} {
		t.Run(fmt.Sprint(tt.blocks), func(t *testing.T) {
			o := o
			o.Salt = tt.salt
			data := random(t, tt.blocks, tt.holes)
			m, root, err := Build(t.Context(), data, o)
			if err != nil {
				t.Fatal(err)
			}
			if m.Size() != Size(data.Size()) {
				t.Errorf("%d bytes, Size says %d", m.Size(), Size(data.Size()))
			}
			salt := hex.EncodeToString(tt.salt)
			if salt == "" {
				salt = "-"
			}
			file, hashes := write(t, data), filepath.Join(t.TempDir(), "hashes")
			out := run(t, "format", "--salt", salt, "--uuid", "01020304-0506-0708-090a-0b0c0d0e0f10", file, hashes)
			if want := rootHash.FindStringSubmatch(out); want == nil || want[1] != hex.EncodeToString(root) {
				t.Errorf("root %x, want it in\n%s", root, out)
			}
			want, err := os.ReadFile(hashes)
			if err != nil {
				t.Fatal(err)
			}
			ours := write(t, m)
			got, err := os.ReadFile(ours)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, make([]byte, max(0, len(got)-len(want)))...) // a superblock alone has 512 bytes
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes differ from veritysetup's %d", len(got), len(want))
			}
			run(t, "verify", file, ours, hex.EncodeToString(root))
		})
	}
}

// TestReproducible gives the same bytes with any number of workers.
func TestReproducible(t *testing.T) {
	data := random(t, 3000, true)
	var want []byte
	for _, workers := range []int{1, 2, 7} {
		m, root, err := Build(t.Context(), data, Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, m.Size())
		if _, err := m.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if b = append(b, root...); want != nil && !bytes.Equal(b, want) {
			t.Errorf("%d workers give other bytes", workers)
		}
		want = b
	}
}

// untouched is a source that must not be read.
type untouched struct{ t *testing.T }

func (u untouched) ReadAt([]byte, int64) (int, error) {
	u.t.Error("read")
	return 0, io.ErrUnexpectedEOF
}

func TestErrors(t *testing.T) {
	for _, size := range []int64{0, 1, 4095, 4097} {
		m, err := image.New(size, []image.Extent{{Len: size, Src: untouched{t}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Build(t.Context(), m, Options{}); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, _, err := Build(t.Context(), random(t, 1, false), Options{Salt: make([]byte, 257)}); err == nil {
		t.Error("a salt of 257 bytes was taken")
	}
	short, err := image.New(1<<20, []image.Extent{{Len: 1 << 20, Src: image.Bytes("short")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Build(t.Context(), short, Options{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that shrank: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Build(ctx, random(t, 5000, false), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestHoles hashes a hole of 64 GiB, with one block at the end.
func TestHoles(t *testing.T) {
	const size = 1 << 36
	m, err := image.New(size, []image.Extent{{Off: size - 1, Len: 1, Src: image.Bytes("x")}})
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := Build(t.Context(), m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := h.Size(), int64(1+1+8+1024+131072)*blockSize; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
}
