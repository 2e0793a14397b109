// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// goesOn is an endless stream that counts how much was read.
type goesOn struct {
	b    byte
	read int64
}

func (e *goesOn) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	e.read += int64(len(p))
	return len(p), nil
}

// TestCopySparseEnds has endless streams: zeros end at the largest decompressed
// size, and data ends when the file system has only the reserve left.
func TestCopySparseEnds(t *testing.T) {
	const mib = 1 << 20
	dir := t.TempDir()
	free := func() (int64, int64, error) { return 1 << 40, mib, nil }
	for _, tt := range []struct {
		name    string
		in      goesOn
		room    func() (int64, int64, error)
		want    string
		is      error
		atMost  int64 // bytes that are read
		inFile  int64 // bytes that may be stored
		notLess int64 // bytes that are read
	}{
		{"zeros", goesOn{}, free, "it unpacks to more than 100 MiB, the most that is unpacked: unpack it beforehand", nil, 100*mib + rawBlock, 0, 100 * mib},
		{"data", goesOn{b: 1}, free, "more than 100 MiB", nil, 100*mib + rawBlock, 100 * mib, 100 * mib},
		{
			"no room at all",
			goesOn{b: 1},
			func() (int64, int64, error) { return -5, 3 * mib, nil },
			"after 0 MiB of it, for the file system of " + dir + ": no space left on device but for a reserve of 3 MiB: make room there, or unpack it beforehand", syscall.ENOSPC, rawBlock, 0, 0,
		},
		{"room for some", goesOn{b: 1}, func() (int64, int64, error) { return 3*mib + 5, 0, nil }, "after 3 MiB of it", syscall.ENOSPC, 3*mib + rawBlock, 3 * mib, 3 * mib},
		{"a file system that counts late", goesOn{b: 1}, func() (int64, int64, error) { return 70 * mib, 0, nil }, "after 70 MiB of it", syscall.ENOSPC, 70*mib + rawBlock, 70 * mib, 70 * mib},
		{"others take it", goesOn{b: 1}, shrinking(80*mib, 2*mib), "after 66 MiB of it", syscall.ENOSPC, 66*mib + rawBlock, 66 * mib, 66 * mib},
		{"it is not known", goesOn{b: 1}, func() (int64, int64, error) { return 0, 0, syscall.EIO }, "look for room: ", syscall.EIO, rawBlock, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := os.CreateTemp(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = copySparse(f, &tt.in, 100*mib, tt.room)
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if tt.in.read > tt.atMost || tt.in.read < tt.notLess {
				t.Errorf("%d bytes were read, not from %d to %d", tt.in.read, tt.notLess, tt.atMost)
			}
			if st, err := f.Stat(); err != nil || st.Size() > tt.inFile {
				t.Errorf("the file has %d bytes, %v, and may have %d", st.Size(), err, tt.inFile)
			}
		})
	}
}

// shrinking is less space with each call.
func shrinking(answers ...int64) func() (int64, int64, error) {
	return func() (int64, int64, error) {
		n := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		return n, 0, nil
	}
}

// TestCopySparseWhole accepts data of exactly the largest size.
func TestCopySparseWhole(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := append(make([]byte, 3*rawBlock), bytes.Repeat([]byte("x"), 1000)...)
	n, err := CopySparse(f, bytes.NewReader(want), int64(len(want)))
	if err != nil || n != int64(len(want)) {
		t.Fatal(n, err)
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, n+1))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestRoomOf leaves a part of a file system's space to others.
func TestRoomOf(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, _, free, err := freeAt(f.Name())
	if err != nil {
		t.Skip(err)
	}
	spare, reserve, err := roomOf(f)
	if err != nil || reserve <= 0 || reserve > 1<<30 {
		t.Fatal(spare, reserve, err)
	}
	if d := spare + reserve - free; d < -4<<30 || d > 4<<30 { // others write, too
		t.Errorf("%d bytes and a reserve of %d are not the %d that are free", spare, reserve, free)
	}
	for _, tt := range [][5]int64{ // blocks, free ones, their size; spare and reserve
		{0, 0, 4096, math.MaxInt64, 0},
		{20 << 10, 5 << 10, 1024, 4 << 20, 1 << 20},
		{1 << 30, 1 << 20, 4096, 3 << 30, 1 << 30},
		{1 << 60, 1 << 60, 4096, 1<<52 - 1<<30, 1 << 30},
		{20, 0, 4096, -4096, 4096},
	} {
		if spare, reserve := roomIn(uint64(tt[0]), uint64(tt[1]), tt[2]); spare != tt[3] || reserve != tt[4] {
			t.Errorf("%v: %d, %d", tt, spare, reserve)
		}
	}
	proc, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	defer proc.Close()
	if spare, reserve, err := roomOf(proc); err != nil || spare < 1<<60 || reserve != 0 {
		t.Errorf("a file system without a limit: %d, %d, %v", spare, reserve, err)
	}
}
