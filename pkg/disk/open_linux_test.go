// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// testImage has holes, zeros that are not holes, and data that compresses well and
// badly.
func testImage(t testing.TB) *image.Image {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	text, noise := make([]byte, 5*mib+512), make([]byte, mib)
	for i := range text {
		text[i] = byte(r.Uint32() >> 5 & 0x3F)
	}
	clear(text[mib : 3*mib])
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	m, err := image.New(70*mib+1024, []image.Extent{
		{Off: 0, Len: 512, Src: image.Bytes(bytes.Repeat([]byte("boot"), 128))},
		{Off: 3*mib - 100, Len: int64(len(text)), Src: image.Bytes(text)},
		{Off: 33*mib + 7, Len: int64(len(noise)), Src: image.Bytes(noise)},
		{Off: 70*mib + 1000, Len: 24, Src: image.Bytes("the last bytes of it all")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOpenDisk reads what qemu-img writes.
func TestOpenDisk(t *testing.T) {
	m := testImage(t)
	raw := writeAs(t, m, "d.img")
	sameContent(t, m, raw, Raw)
	for _, tt := range []struct {
		name, driver, options string
		compress              bool
		want                  Format
	}{
		{"qcow2", "qcow2", "", false, QCOW2},
		{"qcow2 of version 2", "qcow2", "compat=0.10", false, QCOW2},
		{"qcow2, small clusters", "qcow2", "cluster_size=512", false, QCOW2},
		{"qcow2, large clusters, zlib", "qcow2", "cluster_size=2M", true, QCOW2},
		{"qcow2, zlib", "qcow2", "", true, QCOW2},
		{"qcow2, zstd", "qcow2", "compression_type=zstd", true, QCOW2},
		{"vhd", "vpc", "force_size=on", false, VHD},
		{"fixed vhd", "vpc", "force_size=on,subformat=fixed", false, VHDFixed},
		{"vhdx", "vhdx", "", false, VHDX},
		{"vhdx, large blocks", "vhdx", "block_size=64M", false, VHDX},
		{"fixed vhdx", "vhdx", "subformat=fixed", false, VHDX},
		{"vmdk", "vmdk", "subformat=streamOptimized", false, VMDK},
		{"sparse vmdk", "vmdk", "", false, VMDKSparse},
		{"flat vmdk", "vmdk", "subformat=monolithicFlat", false, VMDKFlat},
		{"split flat vmdk", "vmdk", "subformat=twoGbMaxExtentFlat", false, VMDKFlat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			args := []string{"convert", "-f", "raw", "-O", tt.driver}
			if tt.options != "" {
				args = append(args, "-o", tt.options)
			}
			if tt.compress {
				args = append(args, "-c")
			}
			tooltest.Run(t, "qemu-img", append(args, raw, path)...)
			sameContent(t, m, path, tt.want)
		})
	}
}

// TestOpenCHS reads a VHD whose size is determined by its geometry.
func TestOpenCHS(t *testing.T) {
	raw, dir := writeAs(t, testImage(t), "d.img"), t.TempDir()
	tooltest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vpc", raw, filepath.Join(dir, "a.vhd"))
	tooltest.Run(t, "qemu-img", "convert", "-f", "vpc", "-O", "raw", filepath.Join(dir, "a.vhd"), filepath.Join(dir, "a.raw"))
	o, err := OpenDisk(filepath.Join(dir, "a.vhd"))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	want, err := os.ReadFile(filepath.Join(dir, "a.raw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(o, 0, o.Size()))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, want %d, %v", len(got), len(want), err)
	}
}

// TestOpenCompressed reads the output of the compressors, complete and truncated.
func TestOpenCompressed(t *testing.T) {
	m := testImage(t)
	for _, tt := range []struct {
		command []string
		ending  string
		want    Format
	}{
		{[]string{"gzip", "-1"}, ".gz", RawGzip},
		{[]string{"zstd", "-q"}, ".zst", RawZstd},
		{[]string{"xz", "-0"}, ".xz", RawXZ},
	} {
		raw := writeAs(t, m, "d.img")
		tooltest.Run(t, tt.command[0], append(tt.command[1:], raw)...)
		sameContent(t, m, raw+tt.ending, tt.want)
		st, err := os.Stat(raw + tt.ending)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(raw+tt.ending, st.Size()/2); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenDisk(raw + tt.ending); err == nil {
			t.Errorf("%s: half a file was read", tt.want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("small", "x")
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	flat := "# Disk DescriptorFile\nparentCID=ffffffff\n"
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{dir, "neither a file nor"},
		{fifo, "neither a file nor"},
		{"/dev/zero", "neither a file nor"},
		{put("a", "KDMV"), "not a readable VMDK"},
		{put("b", "QFI\xfb"), "not a readable qcow2"},
		{put("c", "conectix"), "not a readable VHD"},
		{put("d", flat), "no extent"},
		{put("e", flat+`RW 2048 FLAT "../small" 0`), "names no file beside"},
		{put("f", flat+`RW 2048 FLAT "small" 0`), "has 1 bytes"},
		{put("g", flat+`RW 2048 FLAT "fifo" 0`), "fifo is not a regular file"},
		{put("h", flat+`RW 2048 SPARSE "small"`), "not a flat one"},
		{put("i", "# Disk DescriptorFile\nparentCID=12345678\n"), "child"},
		{put("j", strings.Repeat("a", 257)+"ustar"+strings.Repeat("b", 250)), "no OVA"},
		{put("k", "\x1f\x8bxxx"), "EOF"},
		{put("l", "vhdxfile"), "not a readable VHDX"},
	} {
		o, err := OpenDisk(tt.path)
		if err == nil {
			_ = o.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.path, err, tt.want)
		}
	}
}
