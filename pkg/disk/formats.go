// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/qcow2"
	"github.com/carosio/carosbuild/pkg/disk/vhd"
	"github.com/carosio/carosbuild/pkg/disk/vhdx"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// formatCode describes a format: its names, its properties, and the code for it.
type formatCode struct {
	Format
	alias   string
	endings []string // file name endings that select it
	title   string   // name in the output of a check
	qemu    string   // the name of QEMU's driver
	plain   bool     // a file is as large as the content of the disk
	machine bool     // it can contain a description of a virtual machine
	disc    bool     // it is also a bootable disc
	first   bool     // of its two files, the second is the one to name
	// second is the name of a second file; nil or "" for none.
	second func(path string, blockMap bool) string
	packer func(level int) (packer, error) // for a compressed raw disk

	// sink writes to a file. stream writes front to back, also to a pipe. finish
	// writes the second file. A format without sink is written to files with
	// stream.
	sink   func(w *writing, t target, f file) error
	stream func(w *writing, t target, to io.Writer) (pipeline.Sink, error)
	finish func(w *writing, t target, f file) error

	magic Magic // at the beginning
	// is recognises a format without a magic; it is called after all magics were
	// compared.
	is func(r io.ReaderAt, size int64, head []byte) bool
	// open opens a format that is contained in one file, openFile any other.
	open     func(o *Opened, r io.ReaderAt, size int64) (source, error)
	openFile func(o *Opened, f *os.File, size int64, path string) error
}

// formats are all of them, in the order in which messages list them. A new format
// is one more value here.
func formats() []formatCode {
	return []formatCode{
		{Format: Raw, alias: "img", endings: []string{".raw", ".img"}, plain: true, second: blockMap, sink: sinkRaw, stream: streamRaw, finish: finishMap},
		packed(RawGzip, "gz", "\x1f\x8b", newGzip),
		packed(RawZstd, "zst", "\x28\xb5\x2f\xfd", newZstd),
		packed(RawXZ, "xz", "\xfd7zXZ\x00", func(int) (packer, error) { return packXZ, nil }),
		{
			Format: VMDK, alias: "vmdk-stream", endings: []string{".vmdk"}, title: "VMDK", qemu: "vmdk", stream: streamVMDK,
			magic: Magic{0, "KDMV"}, open: (*Opened).sparse,
		},
		{Format: VMDKSparse, title: "VMDK", qemu: "vmdk", plain: true, sink: sinkSparse},
		{
			Format: VMDKFlat, title: "VMDK", qemu: "vmdk", plain: true, first: true, second: besideFlat, sink: sinkFlat, finish: finishFlat,
			magic: Magic{0, vmdk.FlatMagic}, openFile: openFlat,
		},
		{
			Format: QCOW2, endings: []string{".qcow2"}, title: "qcow2", qemu: "qcow2", plain: true, sink: sinkQCOW2(qcow2.Options{}),
			magic: Magic{0, "QFI\xfb"}, open: opening(QCOW2, qcow2.Open),
		},
		{Format: QCOW2Zlib, title: "qcow2", qemu: "qcow2", sink: sinkQCOW2(qcow2.Options{Compress: true})},
		{Format: QCOW2Zstd, title: "qcow2", qemu: "qcow2", sink: sinkQCOW2(qcow2.Options{Compress: true, Compression: qcow2.Zstd})},
		{
			Format: VHD, endings: []string{".vhd"}, title: "VHD", qemu: "vpc", plain: true, sink: sinkVHD,
			magic: Magic{0, "conectix"}, open: opening(VHD, vhd.Open),
		},
		{Format: VHDFixed, title: "VHD", qemu: "vpc", plain: true, sink: sinkFixed, is: fixedVHD, open: opening(VHDFixed, vhd.Open)},
		{
			Format: VHDX, endings: []string{".vhdx"}, title: "VHDX", qemu: "vhdx", plain: true, sink: sinkVHDX,
			magic: Magic{0, "vhdxfile"}, open: opening(VHDX, vhdx.Open),
		},
		{
			Format: OVA, endings: []string{".ova"}, qemu: "vmdk", machine: true, sink: (*writing).ovaSink,
			magic: Magic{257, "ustar"}, open: openOVA,
		},
		{Format: ISO, endings: []string{".iso"}, plain: true, disc: true, sink: (*writing).isoSink, is: isDisc, open: openISO},
	}
}

// packed reports whether it is a compressed raw disk, which has a block map beside
// it.
func packed(f Format, ending, magic string, newPacker func(int) (packer, error)) formatCode {
	return formatCode{
		Format: f, endings: []string{".raw." + ending, ".img." + ending}, packer: newPacker,
		second: func(path string, _ bool) string { return blockMap(path, true) }, stream: streamPacked, finish: finishMap,
		magic:    Magic{0, magic},
		openFile: func(o *Opened, file *os.File, _ int64, path string) error { return o.unpack(file, path, f) },
	}
}

// code is the format's value in the table, or one without a name.
func (f Format) code() formatCode {
	for _, c := range formats() {
		if c.Format == f {
			return c
		}
	}
	return formatCode{}
}

// Plain reports whether a file of the format is as large as the content of the
// disk.
func (f Format) Plain() bool { return f.code().plain }

// Machine reports whether the format can contain a description of the virtual
// machine that the disk is for.
func (f Format) Machine() bool { return f.code().machine }

// Disc reports whether a file of the format is also a bootable disc.
func (f Format) Disc() bool { return f.code().disc }

// QEMU is the name of QEMU's driver, or "" for a raw disk.
func (f Format) QEMU() string { return f.code().qemu }

func (f Format) packed() bool { return f.code().packer != nil }

func blockMap(path string, wanted bool) string {
	if !wanted {
		return ""
	}
	return path + ".bmap"
}

func besideFlat(path string, _ bool) string { return flatName(path) }

func sinkRaw(w *writing, t target, f file) error { return w.rawSink(t, f, w.m.Size(), nil) }

func sinkFlat(w *writing, t target, f file) error { return w.rawSink(t, f, sectors(w.m.Size()), nil) }

func finishFlat(w *writing, t target, f file) error {
	b, err := vmdk.FlatDescriptor(filepath.Base(t.files[0]), w.m.Size(), w.o.vmdk(t))
	if err == nil {
		_, err = f.Write(b)
	}
	return err
}

func sinkFixed(w *writing, t target, f file) error {
	footer, err := vhd.FixedFooter(w.m.Size(), w.o.vhd())
	if err != nil {
		return err
	}
	return w.rawSink(t, f, sectors(w.m.Size()), footer)
}

func sinkSparse(w *writing, t target, f file) error {
	s, err := vmdk.NewSparse(f, w.m.Size(), w.o.vmdk(t))
	return w.add(t, s, err)
}

func sinkQCOW2(o qcow2.Options) func(w *writing, t target, f file) error {
	return func(w *writing, t target, f file) error {
		o.Level = w.o.Level
		to := gather{newStream(w.direct(f))}
		s, err := qcow2.New(to, w.m.Size(), o)
		return w.add(t, flushed{s, to.flush}, err)
	}
}

func sinkVHD(w *writing, t target, f file) error {
	s, err := vhd.NewDynamic(f, w.m.Size(), w.o.vhd())
	return w.add(t, s, err)
}

func sinkVHDX(w *writing, t target, f file) error {
	s, err := vhdx.New(f, w.m.Size(), vhdx.Options{FileID: deriveUUID(w.o.Seed, "vhdx file id"), DiskID: deriveUUID(w.o.Seed, "vhdx disk id")})
	return w.add(t, s, err)
}

// sinkStream is the sink for a file of a format that is written front to back.
func sinkStream(w *writing, t target, f file) error {
	to := newStream(w.direct(f))
	if w.o.Sum != nil {
		to.sum = sha256.New()
		w.sums = append(w.sums, func() { w.o.Sum(t.files[0], hex.EncodeToString(to.sum.Sum(nil))) })
	}
	s, err := w.streamSink(t, to)
	return w.add(t, flushed{s, to.flush}, err)
}

func streamRaw(w *writing, _ target, to io.Writer) (pipeline.Sink, error) {
	return &rawStream{w: to, size: w.m.Size()}, nil
}

func streamVMDK(w *writing, t target, to io.Writer) (pipeline.Sink, error) {
	return vmdk.NewStream(to, w.m.Size(), w.o.vmdk(t))
}

func streamPacked(w *writing, t target, to io.Writer) (pipeline.Sink, error) {
	return newPackSink(to, w.m.Size(), t.format, w.o.Level)
}

// opening converts a package's open function for the table.
func opening[T source](f Format, open func(io.ReaderAt, int64) (T, error)) func(*Opened, io.ReaderAt, int64) (source, error) {
	return func(o *Opened, r io.ReaderAt, size int64) (source, error) {
		o.Format = f
		s, err := open(r, size)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

func openFlat(o *Opened, f *os.File, size int64, path string) error {
	return o.take(o.flat(f, size, filepath.Dir(path)))
}

func openOVA(o *Opened, r io.ReaderAt, size int64) (source, error) {
	o.Format = OVA
	return o.insideOVA(r, size)
}

func openISO(o *Opened, r io.ReaderAt, size int64) (source, error) {
	return nil, o.asIs(ISO, r, size)
}

func isDisc(r io.ReaderAt, _ int64, head []byte) bool {
	return iso.Detect(r) && head[510] == 0x55 && head[511] == 0xaa
}

// begins reports whether the format's magic is in the first sector.
func (c formatCode) begins(head []byte) bool {
	m := c.magic
	return m.Text != "" && int64(len(head)) > m.Off && strings.HasPrefix(string(head[m.Off:]), m.Text)
}
