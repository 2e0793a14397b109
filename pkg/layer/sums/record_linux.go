// SPDX-License-Identifier: MPL-2.0

package sums

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// File is the record of one file of a layer, made with the layer.
type File struct {
	Path      string // below the root, "" is the root
	Mode      uint32 // with the type, as in stat(2)
	UID, GID  uint32
	Mtime     int64 // seconds since 1970
	MtimeNsec int32
	Size      int64  // bytes of a regular file
	CRC       uint32 // CRC-32C of its content
	Rdev      uint64 // of a device node
	Link      string // target of a symbolic link
	Xattrs    uint32 // see Xattrs; 0 without any

	opaque bool // the directory hides those of the layers below
}

func (f *File) whiteout() bool { return f.Mode&unix.S_IFMT == unix.S_IFCHR && f.Rdev == 0 }

// Format of a record: magic; the layer's ID, 64 bytes; entries in the order of
// tree.Compare; a SHA-256 of everything before it. An entry has these fields, each a varint
// unless noted: how many bytes its path shares with the previous one; length and bytes of
// the rest; mode; uid; gid; mtime in seconds (signed) and nanoseconds; Xattrs; then by
// type: size and CRC-32C, length and bytes of the target, device number, or 1 for an opaque
// directory and 0 for any other.
const magic = "carosbuild sums 1\n"

// Xattrs is a CRC-32C of extended attributes, sorted by name; 0 without any. It leaves out
// attributes of the machine rather than of the file: overlay's own, ownership tables, and
// the label of a security module.
func Xattrs(attrs iter.Seq2[string, []byte]) uint32 {
	var b []byte
	for name, value := range attrs {
		if !archive.PrivateXattr(name) && name != "security.selinux" {
			b = append(append(b, name...), 0)
			b = append(binary.AppendUvarint(b, uint64(len(value))), value...)
		}
	}
	if b == nil {
		return 0
	}
	return crc32.Checksum(b, crcTable) | 1
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// writer makes a record.
type writer struct {
	buf  []byte
	last string
}

func newWriter(id string) *writer { return &writer{buf: []byte(magic + id)} }

func (w *writer) add(f *File) {
	n := 0
	for n < len(w.last) && n < len(f.Path) && w.last[n] == f.Path[n] {
		n++
	}
	w.last = f.Path
	b := binary.AppendUvarint(w.buf, uint64(n))
	b = appendString(b, f.Path[n:])
	for _, v := range []uint32{f.Mode, f.UID, f.GID} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = binary.AppendVarint(b, f.Mtime)
	b = binary.AppendUvarint(b, uint64(f.MtimeNsec))
	b = binary.AppendUvarint(b, uint64(f.Xattrs))
	switch f.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		b = binary.AppendUvarint(b, uint64(f.Size))
		b = binary.AppendUvarint(b, uint64(f.CRC))
	case unix.S_IFLNK:
		b = appendString(b, f.Link)
	case unix.S_IFCHR, unix.S_IFBLK:
		b = binary.AppendUvarint(b, f.Rdev)
	case unix.S_IFDIR:
		opaque := byte(0)
		if f.opaque {
			opaque = 1
		}
		b = append(b, opaque)
	}
	w.buf = b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// save writes the record. Like a layer's files it is not synced: a record that did not get
// to disk whole is made again.
func (w *writer) save(file string) error {
	sum := sha256.Sum256(w.buf)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return freshfile.Write(file, append(w.buf, sum[:]...), false)
}

// Reader reads the entries of a record in order.
type Reader struct {
	layer string
	rest  []byte
	cur   File
	path  []byte // of cur
	ok    bool   // there is a current entry
}

// ErrNone says that there is no record, or only a damaged one.
var ErrNone = errors.New("no record of its files")

// Open opens the record of a layer and goes to its first entry.
func Open(file, id string) (*Reader, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	head := magic + id
	n := len(data) - sha256.Size
	if n < len(head) || string(data[:len(head)]) != head {
		return nil, ErrNone
	}
	if sum := sha256.Sum256(data[:n]); !bytes.Equal(sum[:], data[n:]) {
		return nil, ErrNone
	}
	r := &Reader{layer: id, rest: data[len(head):n]}
	return r, r.next()
}

// next goes to the next entry. The digest of the bytes was checked, so an entry that does
// not fit is a bug of this program.
func (r *Reader) next() error {
	if len(r.rest) == 0 {
		r.ok = false
		return nil
	}
	d := decoder{rest: r.rest}
	shared := int(d.uvarint())
	suffix := d.bytes()
	if shared > len(r.path) {
		return fmt.Errorf("record of layer %.12s: %w", r.layer, io.ErrUnexpectedEOF)
	}
	r.path = append(r.path[:shared], suffix...)
	f := File{Path: string(r.path)}
	f.Mode, f.UID, f.GID = uint32(d.uvarint()), uint32(d.uvarint()), uint32(d.uvarint())
	f.Mtime, f.MtimeNsec, f.Xattrs = d.varint(), int32(d.uvarint()), uint32(d.uvarint())
	switch f.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Size, f.CRC = int64(d.uvarint()), uint32(d.uvarint())
	case unix.S_IFLNK:
		f.Link = string(d.bytes())
	case unix.S_IFCHR, unix.S_IFBLK:
		f.Rdev = d.uvarint()
	case unix.S_IFDIR:
		f.opaque = d.uvarint() == 1
	}
	if d.short {
		return fmt.Errorf("record of layer %.12s: %w", r.layer, io.ErrUnexpectedEOF)
	}
	r.cur, r.rest, r.ok = f, d.rest, true
	return nil
}

// decoder decodes values from bytes; short is set if there are too few.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) take(n int) {
	if n <= 0 {
		d.short, d.rest = true, nil
		return
	}
	d.rest = d.rest[n:]
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	d.take(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	d.take(n)
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.short = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}
