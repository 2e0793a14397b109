// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Pieces of any length are written as a stream and read back.
func TestStream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, directAlign, streamBuffer - 1, streamBuffer, streamBuffer + directAlign + 5, 3*streamBuffer + 512} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		path := filepath.Join(t.TempDir(), "f")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		d := openDirect(f)
		s := newStream(d)
		for rest := want; len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(200_000))
			if k, err := s.Write(rest[:n]); k != n || err != nil {
				t.Fatal(k, err)
			}
			rest = rest[n:]
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes were not read back (%v)", size, err)
		}
	}
}

// If the file system supports it, aligned writes bypass the page cache.
func TestDirectIsUsed(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := openDirect(f)
	defer d.close()
	if d.bypass == nil {
		t.Skip("this file system has no direct writes")
	}
	flags, err := unix.FcntlInt(d.bypass.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_DIRECT == 0 {
		t.Errorf("flags %o, %v", flags, err)
	}
	b := aligned(8 * directAlign)
	if !isAligned(b, 0) || isAligned(b[1:], 0) || isAligned(b[:100], 0) || isAligned(b, 512) {
		t.Error("alignment is judged wrongly")
	}
	for i := range b {
		b[i] = byte(i)
	}
	for _, w := range []struct {
		b   []byte
		off int64
	}{{b, 1 << 20}, {b[:100], 0}, {b[directAlign:], 100}} {
		if n, err := d.WriteAt(w.b, w.off); n != len(w.b) || err != nil {
			t.Fatal(n, err)
		}
		got := make([]byte, len(w.b))
		if _, err := f.ReadAt(got, w.off); err != nil || !bytes.Equal(got, w.b) {
			t.Errorf("what was written at %d was not read back (%v)", w.off, err)
		}
	}
}

// Errors do not contain the temporary name of the file.
func TestDirectErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path) // which is not open for writing
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, d := range []*direct{{file: f}, {file: f, bypass: f}} {
		if _, err := d.WriteAt(aligned(directAlign), 0); !errors.Is(err, unix.EBADF) || strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	}
}
