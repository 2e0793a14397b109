// SPDX-License-Identifier: MPL-2.0

package bmap

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// testDisk has extents that share a block, end within one, are zero, cross chunks,
// and end with the disk, within a block.
func testDisk(t testing.TB) *image.Image {
	t.Helper()
	b := bytes.Repeat([]byte("carosbuild"), 300_000)
	m, err := image.New(5<<20+1000, []image.Extent{
		{Off: 100, Len: 10, Src: image.Bytes(b)},
		{Off: 200, Len: 3896, Src: image.Bytes(b)},
		{Off: 8192, Len: 1, Src: image.Bytes(b)},
		{Off: 40960, Len: 4096, Src: image.Zeros{}},
		{Off: 1<<20 - 5, Len: 2 << 20, Src: image.Bytes(b)},
		{Off: 5 << 20, Len: 1000, Src: image.Bytes(b)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func text(t testing.TB, m *image.Image, chunk int64) []byte {
	t.Helper()
	var b bytes.Buffer
	s, err := New(&b, m.Size())
	if err == nil {
		err = pipeline.Run(t.Context(), m, pipeline.Options{Chunk: chunk}, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMap(t *testing.T) {
	m := testDisk(t)
	b := text(t, m, 0)
	got, err := Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Verify(m); err != nil {
		t.Error(err)
	}
	var ranges []string
	for _, r := range got.Ranges {
		ranges = append(ranges, r.String())
	}
	if diff := cmp.Diff(strings.Fields("0 2 10 255-767 1280"), ranges); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	if got.Size != m.Size() || got.BlockSize != 4096 || got.Blocks() != 1281 || got.Mapped() != 517 {
		t.Errorf("%d bytes, %d blocks of %d, %d mapped", got.Size, got.Blocks(), got.BlockSize, got.Mapped())
	}
	if other := text(t, m, 4<<20); !bytes.Equal(other, b) {
		t.Error("other chunks give another map")
	}
	empty, err := image.New(1<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Parse(bytes.NewReader(text(t, empty, 0))); err != nil || got.Ranges != nil {
		t.Errorf("a disk without content: %+v, %v", got, err)
	}
}

func TestVerify(t *testing.T) {
	m := testDisk(t)
	got, err := Parse(bytes.NewReader(text(t, m, 0)))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, m.Size())
	if _, err := m.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	b[5000]++ // a hole
	if err := got.Verify(bytes.NewReader(b)); err != nil {
		t.Errorf("a hole was verified: %v", err)
	}
	b[2<<20]++
	if err := got.Verify(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "blocks 255 to 767") {
		t.Errorf("got %v", err)
	}
}

// TestBmaptool reads maps made by bmaptool.
func TestBmaptool(t *testing.T) {
	m := testDisk(t)
	path := disktest.Save(t, m, 1)
	tooltest.Run(t, "bmaptool", "create", "-o", path+".bmap", path)
	theirs, err := os.Open(path + ".bmap")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	got, err := Parse(theirs)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse(bytes.NewReader(text(t, m, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("maps (-ours +bmaptool's):\n%s", diff)
	}
}

// sealed gives a text its checksum.
func sealed(s string) string {
	s = strings.Replace(s, "SUM", noSum, 1)
	sum := sha256.Sum256([]byte(s))
	return strings.Replace(s, noSum, hex.EncodeToString(sum[:]), 1)
}

func TestParseErrors(t *testing.T) {
	good := strings.ReplaceAll(`<bmap version="2.0">
<ImageSize> 8192 </ImageSize><BlockSize> 4096 </BlockSize><BlocksCount> 2 </BlocksCount><MappedBlocksCount> 2 </MappedBlocksCount>
<ChecksumType> sha256 </ChecksumType><BmapFileChecksum> SUM </BmapFileChecksum>
<BlockMap><Range chksum="X"> 0 </Range><Range chksum="X"> 1 </Range></BlockMap></bmap>`, "X", strings.Repeat("1", 64))
	if _, err := Parse(strings.NewReader(sealed(good))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"2.0"`, `"1.3"`, `no <bmap version="2.0">`},
		{"sha256", "md5", `"md5"`},
		{" SUM ", "", "no checksum"},
		{" SUM ", strings.Repeat("1", 64), "its SHA-256 is"},
		{" 8192 ", " 0 ", "disk of 0 bytes"},
		{" 8192 ", " 4096 ", "range 1 of 1"},
		{" 4096 ", " 99999999999 ", "blocks of 99999999999"},
		{" 0 ", " 1 ", "range 1"},
		{" 0 ", " 0-1 ", "range 1"},
		{" 0 ", " 1-0 ", "range 1"},
		{"> 2 </Mapped", "> 3 </Mapped", "2 blocks are mapped"},
		{" 1 </Range>", " 999999999999999 </Range>", "range 999999999999999"},
	} {
		m, err := Parse(strings.NewReader(sealed(strings.Replace(good, tt.old, tt.new, 1))))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q for %q: got %+v, %v, want %q", tt.new, tt.old, m, err, tt.want)
		}
	}
}

// FuzzParse has hostile texts with a correct checksum.
func FuzzParse(f *testing.F) {
	f.Add(strings.Replace(string(text(f, testDisk(f), 0)), "BmapFileChecksum> ", "BmapFileChecksum> SUM", 1))
	f.Add(`<bmap version="2.0"><ImageSize> 8192 </ImageSize><BlockSize> 4096 </BlockSize><ChecksumType> sha256 </ChecksumType><BmapFileChecksum> SUM </BmapFileChecksum>`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := Parse(strings.NewReader(sealed(s)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error without ErrFormat: %v", err)
			}
			return
		}
		again, err := Parse(bytes.NewReader(m.text()))
		if diff := cmp.Diff(m, again); err != nil || diff != "" {
			t.Errorf("written and read again: %v\n%s", err, diff)
		}
		_ = m.Verify(bytes.NewReader(nil))
	})
}
