// SPDX-License-Identifier: MPL-2.0

// Package cpio reads archives of cpio in the formats "newc" and "crc", those that
// the kernel unpacks as an initramfs. Several archives one after another are read
// as the kernel reads them: a later one adds to the earlier ones. Left out: the
// older formats, extended attributes, which cpio cannot store, and archives of
// which a part is compressed.
package cpio

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// ErrFormat is wrapped by errors about a file that is not such an archive, or is damaged.
var ErrFormat = errors.New("not a readable cpio archive")

// Detect reports whether a file that begins with b is a cpio archive, including
// those of the older formats.
func Detect(b []byte) bool {
	for _, m := range []string{magicNewc, magicCRC, magicODC, magicOld, magicOldBE} {
		if strings.HasPrefix(string(b), m) {
			return true
		}
	}
	return false
}

// maxLinked bounds the number of files with several names in an archive, since they
// are remembered.
const maxLinked = 4 << 20

// Read is the tree in an archive of size bytes; r is used as long as its contents
// are. Times later than clamp, in seconds since 1970, become clamp; 0 leaves them.
// Jobs is how many contents are read at a time.
func Read(ctx context.Context, r io.ReaderAt, size, clamp int64, jobs int) (*tree.Tree, error) {
	a := &archive{r: r, size: size}
	l := tree.Layer{Name: "cpio archive", Tar: r, Size: size, Plain: true, Members: func(each func(*tree.Entry, int64) error) error { return a.members(ctx, each) }}
	return tree.Merge(ctx, []tree.Layer{l}, clamp, jobs)
}

type archive struct {
	r    io.ReaderAt
	size int64
}

// file is what the names of one file share.
type file struct {
	first string // the first of them
	data  header // of the member with the content
	given bool   // it is in the tree, and its content was checked
}

// id is a file's identity: inodes are unique within one of the archives.
type id struct {
	archive int
	inode   [3]uint32
}

// members calls emit with the entries of all members. Of the names of one file,
// cpio writes the content only with the last, so files with several names are found
// first.
func (a *archive) members(ctx context.Context, each func(*tree.Entry, int64) error) error {
	files := map[id]*file{}
	err := a.walk(ctx, func(no int, h *header) error {
		if !h.linked() {
			return nil
		}
		key := id{no, h.inode}
		f := files[key]
		switch {
		case f == nil:
			if len(files) == maxLinked {
				return fmt.Errorf("more than %d files have several names", maxLinked)
			}
			f = &file{first: h.name, data: *h}
			files[key] = f
		case (f.data.mode^h.mode)&tree.TypeMask != 0:
			return fmt.Errorf("it is another name of %q, and of another kind", f.first)
		}
		if h.size > 0 {
			f.data = *h
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.walk(ctx, func(no int, h *header) error {
		f := files[id{no, h.inode}]
		if f == nil || !h.linked() {
			return a.emit(ctx, h, h, each)
		}
		switch {
		case f.first != h.name:
			return each(&tree.Entry{Path: h.name, Hardlink: f.first, Mtime: int64(h.mtime)}, 0)
		case f.given: // the kernel ignores a name that the file already has
			return nil
		}
		f.given = true
		return a.emit(ctx, h, &f.data, each)
	})
}

// linked reports whether a file may have several names.
func (h *header) linked() bool { return h.links > 1 && h.mode&tree.TypeMask != tree.Dir }

// emit emits a member as an entry, with the content that is in data.
func (a *archive) emit(ctx context.Context, h, data *header, each func(*tree.Entry, int64) error) error {
	e := tree.Entry{Path: h.name, Mode: h.mode, UID: h.uid, GID: h.gid, Mtime: int64(h.mtime)}
	if h.mode > 0o177777 {
		return fmt.Errorf("mode %#o out of range", h.mode)
	}
	switch e.Type() {
	case tree.Regular:
		e.Size = data.size
		if err := a.verify(ctx, data); err != nil {
			return err
		}
	case tree.Symlink:
		if h.size > maxNameSize {
			return fmt.Errorf("a symbolic link of %d bytes", h.size)
		}
		b := make([]byte, h.size)
		if err := a.full(b, h.content); err != nil {
			return err
		}
		e.Link = strings.TrimSuffix(string(b), "\x00") // some writers append a NUL
	case tree.Char, tree.Block:
		e.Rdev = h.rdev
	}
	return each(&e, data.content)
}

// verify adds up the bytes of a content that has a checksum.
func (a *archive) verify(ctx context.Context, h *header) error {
	if !h.crc || h.size == 0 {
		return nil
	}
	in := bufio.NewReaderSize(io.NewSectionReader(a.r, h.content, h.size), 64<<10)
	sum := uint32(0)
	for {
		b, err := in.Peek(64 << 10)
		if len(b) == 0 {
			if err != io.EOF {
				return err
			}
			break
		}
		for _, c := range b {
			sum += uint32(c)
		}
		if _, err := in.Discard(len(b)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if sum != h.check {
		return fmt.Errorf("%w: the sum of its bytes is %08x, and %08x is written with it", ErrFormat, sum, h.check)
	}
	return nil
}

func (a *archive) full(b []byte, off int64) error {
	if n, err := a.r.ReadAt(b, off); n < len(b) {
		if err == io.EOF || err == nil {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}
