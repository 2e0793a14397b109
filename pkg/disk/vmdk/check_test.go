// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

func streamed(t testing.TB, src Source) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteStream(t.Context(), &b, src, options()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestCheckStream(t *testing.T) {
	for name, m := range images(t) {
		n, err := CheckStream(t.Context(), bytes.NewReader(streamed(t, m)))
		if err != nil || n != (m.Size()+511)/512*512 {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
}

// TestDescriptor is VMware's form: its keys, sorted.
func TestDescriptor(t *testing.T) {
	for size, cylinders := range map[int64]string{1 << 20: "1", 40 << 30: "5221", 4 << 40: "65535"} {
		text, err := descriptor("streamOptimized", size/512, Options{Name: "ü.vmdk", CID: 0xAB, UUID: [16]byte{1, 2, 3, 0x45, 6}})
		if err != nil || len(text) != 20*512 {
			t.Fatal(len(text), err)
		}
		_, ddb, _ := strings.Cut(strings.TrimRight(string(text), "\x00"), "#DDB\n\n")
		want := `ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "` + cylinders + `"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.longContentID = "00000000000000000000000000000000"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
ddb.uuid = "60 00 C2 95 06 00 00 00-00 00 00 00 00 00 00 00"
ddb.virtualHWVersion = "4"
`
		if ddb != want {
			t.Errorf("database of %d bytes:\n%s", size, ddb)
		}
	}
}

// TestCheckStreamFinds changes one thing at a time.
func TestCheckStreamFinds(t *testing.T) {
	good := streamed(t, images(t)["tables"])
	find := func(kind byte, nth int) int { // the sector of a marker
		for at := 128 * 512; at < len(good); at += 512 {
			if size := int(le32(good[at+8:])); size > 0 {
				at += (grainHeader + size - 1) / 512 * 512
				continue
			}
			if good[at+12] == kind {
				if nth--; nth < 0 {
					return at
				}
			}
			at += 512 * int(le32(good[at:]))
		}
		t.Fatal("no such marker")
		return 0
	}
	table, directory, footer, first := find(markerTable, 0), find(markerDirectory, 0), find(markerFooter, 0), 128*512
	set := func(at int, v byte) func(b []byte) []byte {
		return func(b []byte) []byte { b[at] = v; return b }
	}
	flip := func(at int) func(b []byte) []byte { return set(at, good[at]^1) }
	cut := func(from, n int) func(b []byte) []byte {
		return func(b []byte) []byte { return append(b[:from:from], b[from+n:]...) }
	}
	for _, tt := range []struct {
		name, want string
		change     func(b []byte) []byte
	}{
		{"magic", "no KDMV header", set(0, 'X')},
		{"version", "version 1", set(4, 1)},
		{"flags", "not streamOptimized", set(8, 3)},
		{"directory in front", "grain directory is in front", set(56, 21)},
		{"text mode", "line ends", set(75, '\n')},
		{"overhead", "descriptor of 20 sectors", set(64, 3)},
		{"create type", "descriptor without createType", flip(bytes.Index(good, []byte("streamOpt")))},
		{"extent", "without an extent", flip(bytes.Index(good, []byte(" SPARSE")))},
		{"grain", "inflate", flip(first + 200)},
		{"grain's place", "grain of sector 1", flip(first)},
		{"grain after itself", "after that of", set(first+1, 4)},
		{"marker", "marker of type 9", set(table+12, 9)},
		{"marker's length", "announces 5 sectors", set(table, 5)},
		{"table", "entry 0 of a grain table", flip(table + 512)},
		{"no table", "the table of the grains before is missing", cut(table, 5*512)},
		{"directory", "entry 1 of the directory", flip(directory + 512 + 4)},
		{"no directory", "the footer is not", cut(directory, 2*512)},
		{"footer", "the footer is not", flip(footer + 512 + 12)},
		{"footer's directory", "the footer is not", flip(footer + 512 + 56)},
		{"no footer", "end of stream without a footer", cut(footer, 2*512)},
		{"no end", "it ends too early", cut(len(good)-512, 512)},
		{"tail", "bytes after the end", func(b []byte) []byte { return append(b, 0) }},
		{"twice", "bytes after the end", func(b []byte) []byte { return append(b, b...) }},
	} {
		_, err := CheckStream(t.Context(), bytes.NewReader(tt.change(bytes.Clone(good))))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: want %q, got %v", tt.name, tt.want, err)
		}
	}
}

// TestCheckStreamQemu says why a file written by QEMU does not have VMware's form.
func TestCheckStreamQemu(t *testing.T) {
	name := filepath.Join(t.TempDir(), "q.vmdk")
	tooltest.Run(t, "qemu-img", "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", disktest.Save(t, images(t)["tables"], 512), name)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CheckStream(t.Context(), bytes.NewReader(b)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "not streamOptimized") {
		t.Errorf("got %v", err)
	}
}

func TestCheckStreamErrors(t *testing.T) {
	good := streamed(t, images(t)["one byte"])
	r := io.MultiReader(bytes.NewReader(good[:70000]), brokenReader{})
	if _, err := CheckStream(t.Context(), r); !errors.Is(err, errBroken) {
		t.Errorf("read error: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CheckStream(ctx, bytes.NewReader(good)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

// FuzzCheckStream changes the header, and what follows the descriptor.
func FuzzCheckStream(f *testing.F) {
	const front = streamOverhead * sectorSize
	for _, name := range []string{"one byte", "hole"} {
		b := streamed(f, images(f)[name])
		f.Add(b[:80], b[front:])
	}
	one := streamed(f, images(f)["one byte"])[:front]
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		b := append(bytes.Clone(one), rest...)
		copy(b[:80], head)
		n, err := CheckStream(t.Context(), bytes.NewReader(b))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error without ErrFormat: %v", err)
			}
			return
		}
		// What it accepts, the other reader can read.
		v, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil || v.Size() != n {
			t.Fatalf("checked, and not opened: %v", err)
		}
		for off := v.NextExtent(0); off < n; off = v.NextExtent(off/grainSize*grainSize + grainSize) {
			if _, err := v.ReadAt(make([]byte, 1), off); err != nil {
				t.Fatal(err)
			}
		}
	})
}
