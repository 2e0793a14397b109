// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io"
	"os"

	"github.com/vbatts/tar-split/tar/storage"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Mismatch says that a layer differs from its record.
type Mismatch struct {
	Path string // below the root, "" for the whole layer
	What string // what is different
}

func (e *Mismatch) Error() string {
	if e.Path == "" {
		return e.What
	}
	return shown(e.Path) + " " + e.What
}

// CRCs are the CRC-32C of contents by inode, on one file system.
type CRCs map[uint64]uint32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// assembler makes a tar stream from a tar-split and a layer's directory.
type assembler struct {
	dir   string
	known CRCs // where sums are noted, or nil
	buf   []byte
}

// Assemble writes the original tar stream, from its decompressed tar-split and the files
// in dir. It puts the sums of the files into known, unless that is nil. The error is a
// Mismatch if record and files do not fit together.
func Assemble(w io.Writer, split io.Reader, dir string, known CRCs) error {
	a := assembler{dir: dir, known: known, buf: make([]byte, 256<<10)}
	return a.assemble(split, w)
}

// SumFile puts the sum of a file of size bytes, below the directory root, into known. Buf
// is a work buffer. The error is a Mismatch if there is no such file.
func SumFile(root int, rel string, size int64, known CRCs, buf []byte) error {
	a := assembler{known: known, buf: buf}
	return a.copyFile(io.Discard, root, rel, size)
}

// assemble writes the stream.
func (a *assembler) assemble(split io.Reader, w io.Writer) error {
	root, err := unix.Open(a.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &Mismatch{"", fmt.Sprintf("its files: %v", err)}
	}
	defer unix.Close(root)
	out := bufio.NewWriterSize(w, 256<<10)
	crc := crc64.New(storage.CRCTable)
	dec := json.NewDecoder(split)
	for {
		var e storage.Entry
		if err := dec.Decode(&e); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return &Mismatch{"", fmt.Sprintf("its tar record: %v", err)}
		}
		if e.Type == storage.SegmentType {
			if _, err := out.Write(e.Payload); err != nil {
				return err
			}
			continue
		}
		if e.Size == 0 {
			continue
		}
		crc.Reset()
		if err := a.copyFile(io.MultiWriter(out, crc), root, e.GetName(), e.Size); err != nil {
			return err
		}
		if !bytes.Equal(crc.Sum(nil), e.Payload) {
			return &Mismatch{cleanRel(e.GetName()), "has different content than was stored"}
		}
	}
}

func (a *assembler) copyFile(w io.Writer, root int, rel string, size int64) error {
	fd, err := beneath.Open(root, cleanRel(rel), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW)
	if err != nil {
		return &Mismatch{cleanRel(rel), fmt.Sprintf("cannot be opened: %v", err)}
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	sum := crc32.New(castagnoli)
	if a.known != nil {
		w = io.MultiWriter(w, sum)
	}
	n, err := io.CopyBuffer(w, io.LimitReader(f, size), a.buf)
	if err != nil {
		return fmt.Errorf("read %s: %w", shown(cleanRel(rel)), err)
	}
	if n != size {
		return &Mismatch{cleanRel(rel), fmt.Sprintf("has %d bytes, had %d", n, size)}
	}
	if a.known != nil {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		a.known[st.Ino] = sum.Sum32()
	}
	return nil
}
