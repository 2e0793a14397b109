// SPDX-License-Identifier: MPL-2.0

package cow

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

type base []byte

func (b base) Size() int64 { return int64(len(b)) }

func (b base) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(b).ReadAt(p, off) }

func file(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "written"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Random writes, zeros and reads against a plain array; everything that differs from the base
// is reported as written.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 4095, 4096, 100_001, 64 * BlockSize} {
		below := make(base, size)
		for i := range below {
			below[i] = byte(1 + r.IntN(255))
		}
		d, err := New(below, file(t))
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(below)
		for range 60 {
			off := r.IntN(size)
			n := r.IntN(min(size-off, 3*BlockSize) + 1)
			switch r.IntN(3) {
			case 0:
				p := make([]byte, n)
				for i := range p {
					p[i] = byte(r.IntN(256))
				}
				copy(want[off:], p)
				_, err = d.WriteAt(p, int64(off))
			case 1:
				clear(want[off : off+n])
				err = d.Zero(int64(off), int64(n))
			default:
				got := make([]byte, n)
				if _, err = d.ReadAt(got, int64(off)); !bytes.Equal(got, want[off:off+n]) {
					t.Fatalf("size %d: %d bytes at %d differ", size, n, off)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, size+10)
		if n, err := d.ReadAt(got, 0); n != size || err != io.EOF || !bytes.Equal(got[:n], want) {
			t.Fatalf("size %d: read %d bytes, %v", size, n, err)
		}
		for b := 0; b < size; b += BlockSize {
			end := min(b+BlockSize, size)
			if !d.Written(int64(b), int64(end-b)) && !bytes.Equal(want[b:end], below[b:end]) {
				t.Errorf("block at %d differs and was not written", b)
			}
		}
	}
}

func TestWritten(t *testing.T) {
	d, err := New(make(base, 10*BlockSize), file(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt([]byte("x"), 3*BlockSize+5); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[int64]bool{0: false, 2 * BlockSize: false, 2*BlockSize + 1: true, 3 * BlockSize: true, 3*BlockSize + 4095: true, 4 * BlockSize: false} {
		if got := d.Written(off, BlockSize); got != want {
			t.Errorf("a block at %d: %v", off, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	d, err := New(make(base, 100), file(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{-1, 91, 100} {
		if _, err := d.WriteAt(make([]byte, 10), off); err == nil {
			t.Errorf("10 bytes at %d of 100 were taken", off)
		}
	}
	if d.Err() != nil {
		t.Error(d.Err())
	}
	readOnly, err := New(make(base, 100), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := readOnly.Zero(0, 1); err == nil || !readOnly.ReadOnly() {
		t.Error("a read-only device was written")
	}
}

// broken is a base whose reads fail.
type broken struct{ base }

func (broken) ReadAt([]byte, int64) (int, error) { return 0, errors.New("broken") }

// The first failure is kept: the disk is useless then.
func TestErr(t *testing.T) {
	d, err := New(broken{make(base, 3*BlockSize)}, file(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(make([]byte, BlockSize), 0); err != nil || d.Err() != nil {
		t.Errorf("a whole block: %v, %v", err, d.Err())
	}
	if _, err := d.WriteAt([]byte{1}, BlockSize+1); err == nil || d.Err() == nil {
		t.Errorf("a part of a block that cannot be read: %v, %v", err, d.Err())
	}
}
