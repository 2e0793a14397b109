// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// Opened is a disk in a file of any format that this package reads.
type Opened struct {
	io.ReaderAt        // the disk's bytes; safe for concurrent use
	Format      Format // according to the content, not the name; OVA for a disk inside one
	// Within is the place of the disk in an OVA; nil for other formats.
	Within image.Extent
	size   int64
	files  []*os.File
	within section // the opened reader, if it is not a file
}

// section is a range of size bytes.
type section struct {
	io.ReaderAt
	size int64
}

// Size is the disk's size in bytes.
func (o *Opened) Size() int64 { return o.size }

// NextExtent is the offset of the first byte at or after off that may be other
// than zero, or Size.
func (o *Opened) NextExtent(off int64) int64 {
	if s, ok := o.ReaderAt.(interface{ NextExtent(int64) int64 }); ok {
		return s.NextExtent(off)
	}
	f, ok := o.ReaderAt.(*os.File)
	if !ok || off >= o.size {
		return min(max(off, 0), o.size)
	}
	return nextData(f, off, o.size)
}

// Covered reports whether a byte of the range may be other than zero.
func (o *Opened) Covered(off, n int64) bool { return o.NextExtent(off) < off+n }

// File is the file whose bytes are the disk, for raw disks and compressed raw
// disks; for others it is nil.
func (o *Opened) File() *os.File {
	f, _ := o.ReaderAt.(*os.File)
	return f
}

// Close closes the files.
func (o *Opened) Close() error {
	var err error
	for _, f := range o.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// OpenDisk opens the disk in the file path. The format is recognised by the
// content. Compressed raw disks are decompressed into a file without a name in the
// same directory, which is gone after Close.
func OpenDisk(path string) (*Opened, error) {
	// Without O_NONBLOCK, a FIFO would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	o := &Opened{files: []*os.File{f}}
	if err := o.detect(f, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open disk %s: %w", path, err), o.Close())
	}
	return o, nil
}

// OpenAt opens the disk in size bytes of r, which the caller closes. A descriptor of
// a disk in other files is refused; a compressed disk has to be decompressed by the
// caller first.
func OpenAt(r io.ReaderAt, size int64) (*Opened, error) {
	if err := foreignKind(r, size); err != nil {
		return nil, err
	}
	head, err := headOf(r)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(string(head), vmdk.FlatMagic) {
		return nil, errors.New("it is the descriptor of a VMDK whose content is in other files")
	}
	o := &Opened{within: section{r, size}}
	if err := o.content(r, size, head); err != nil {
		return nil, err
	}
	return o, nil
}

// fileSize is the size of a regular file or block device.
func fileSize(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	switch mode := st.Mode(); {
	case mode.IsRegular():
		return st.Size(), nil
	case mode.Type() == os.ModeDevice:
		return f.Seek(0, io.SeekEnd)
	}
	return 0, errors.New("it is neither a file nor a block device")
}

// source is the reader of a format.
type source interface {
	io.ReaderAt
	Size() int64
}

func (o *Opened) detect(f *os.File, path string) error {
	size, err := fileSize(f)
	if err != nil {
		return err
	}
	if err := foreignKind(f, size); err != nil {
		return err
	}
	head, err := headOf(f)
	if err != nil {
		return err
	}
	for _, c := range formats() {
		if c.openFile != nil && c.begins(head) {
			return c.openFile(o, f, size, path)
		}
	}
	return o.content(f, size, head)
}

// headOf is the first sector.
func headOf(r io.ReaderAt) ([]byte, error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return head[:n], nil
}

// take uses s, if there is one, as the reader of the disk.
func (o *Opened) take(s source, err error) error {
	if err != nil || s == nil {
		return err
	}
	o.ReaderAt, o.size = s, s.Size()
	return nil
}

// content opens a disk that is contained in one file, which begins with head. A
// file of no known format is a raw disk.
func (o *Opened) content(f io.ReaderAt, size int64, head []byte) error {
	for _, c := range formats() {
		if c.open != nil && c.begins(head) {
			return o.take(c.open(o, f, size))
		}
	}
	for _, c := range formats() {
		if c.is != nil && c.is(f, size, head) {
			return o.take(c.open(o, f, size))
		}
	}
	return o.asIs(Raw, f, size)
}

// asIs uses the file as the disk.
func (o *Opened) asIs(format Format, f io.ReaderAt, size int64) error {
	o.ReaderAt, o.Format, o.size = f, format, size
	return nil
}

func (o *Opened) sparse(f io.ReaderAt, size int64) (source, error) {
	v, err := vmdk.Open(f, size)
	if err != nil {
		return nil, err
	}
	o.Format = VMDKSparse
	if v.Compressed() {
		o.Format = VMDK
	}
	return v, nil
}

// flat opens the extents of a descriptor, which must be in the same directory.
func (o *Opened) flat(f *os.File, size int64, dir string) (source, error) {
	o.Format = VMDKFlat
	if size > vmdk.MaxDescriptor {
		return nil, fmt.Errorf("%w: a descriptor of %d bytes", vmdk.ErrFormat, size)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	m, err := vmdk.OpenFlat(string(text), func(name string) (io.ReaderAt, int64, error) {
		x, err := root.OpenFile(name, os.O_RDONLY|nonblock, 0)
		if err != nil {
			return nil, 0, err
		}
		o.files = append(o.files, x)
		st, err := x.Stat()
		if err == nil && !st.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", name)
		}
		if err != nil {
			return nil, 0, err
		}
		return x, st.Size(), nil
	})
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	return m, nil
}

func fixedVHD(f io.ReaderAt, size int64, _ []byte) bool {
	b := make([]byte, 8)
	_, err := f.ReadAt(b, size-512)
	return size >= 1024 && err == nil && string(b) == "conectix"
}

// insideOVA opens the first disk of an OVA, which is a tar archive that begins with
// a descriptor.
func (o *Opened) insideOVA(f io.ReaderAt, size int64) (source, error) {
	section := io.NewSectionReader(f, 0, size)
	r := tar.NewReader(section)
	for i := range 100 {
		h, err := r.Next()
		if err != nil {
			return nil, fmt.Errorf("no OVA: %w", err)
		}
		if i == 0 && !strings.HasSuffix(h.Name, ".ovf") {
			return nil, fmt.Errorf("a tar archive that begins with %q is not an OVA", h.Name)
		}
		if strings.HasSuffix(h.Name, ".vmdk") {
			at, err := section.Seek(0, io.SeekCurrent)
			if err != nil {
				return nil, err
			}
			if h.Size > size-at {
				return nil, fmt.Errorf("no OVA: %w", io.ErrUnexpectedEOF)
			}
			o.Within = image.Extent{Off: at, Len: h.Size}
			return vmdk.Open(io.NewSectionReader(f, at, h.Size), h.Size)
		}
	}
	return nil, errors.New("an OVA without a disk")
}
