// SPDX-License-Identifier: MPL-2.0

package cpio

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

// window is a piece of the archive from which headers are read: most members are
// small, and adjacent.
type window struct {
	a   *archive
	at  int64
	buf []byte
}

// bytes are the n bytes at off, valid until the next call.
func (w *window) bytes(off, n int64) ([]byte, error) {
	if off < 0 || n > w.a.size-off {
		return nil, io.ErrUnexpectedEOF
	}
	if off < w.at || off+n > w.at+int64(len(w.buf)) {
		size := min(max(n, 64<<10), w.a.size-off)
		if int64(cap(w.buf)) < size {
			w.buf = make([]byte, size)
		}
		w.buf, w.at = w.buf[:size], off
		if err := w.a.full(w.buf, off); err != nil {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[off-w.at:][:n], nil
}

// some are the buffered bytes from off on, or at least one that is read; off is
// before the end.
func (w *window) some(off int64) ([]byte, error) {
	n := w.at + int64(len(w.buf)) - off
	if off < w.at || n <= 0 {
		n = min(w.a.size-off, 64<<10)
	}
	return w.bytes(off, n)
}

// walk calls each with all members, and with the index of the archive that they are
// in.
func (a *archive) walk(ctx context.Context, each func(no int, h *header) error) error {
	w := &window{a: a}
	for at, no := int64(0), 0; ; no++ {
		end, err := a.archive(ctx, w, at, func(h *header) error { return each(no, h) })
		if err != nil {
			return err
		}
		if at, err = a.behind(ctx, w, end); err != nil || at == a.size {
			return err
		}
	}
}

// archive visits one archive, which begins at off, and returns its end.
func (a *archive) archive(ctx context.Context, w *window, off int64, each func(h *header) error) (int64, error) {
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		h, err := a.next(w, off)
		if err != nil {
			return 0, err
		}
		if h.name == trailer {
			return h.end, nil
		}
		if err := each(h); err != nil {
			return 0, fmt.Errorf("member %.200q at byte %d: %w", h.name, h.start, err)
		}
		off = h.end
	}
}

// next reads the member at off, up to its content.
func (a *archive) next(w *window, off int64) (*header, error) {
	bad := func(err error) error {
		if err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: it ends at byte %d, within a member or before its last one", ErrFormat, a.size)
		}
		return fmt.Errorf("%w: at byte %d: %w", ErrFormat, off, err)
	}
	if b, err := w.bytes(off, 6); err == nil && off == 0 && old(b) {
		return nil, fmt.Errorf("%w: it is of one of the older formats; write it with cpio -o -H newc", ErrFormat)
	}
	b, err := w.bytes(off, headerSize)
	if err != nil {
		return nil, bad(err)
	}
	h := &header{start: off}
	if err := h.parse(b); err != nil {
		return nil, bad(err)
	}
	if h.nameSize < 1 || h.nameSize > maxNameSize {
		return nil, bad(fmt.Errorf("a name of %d bytes", h.nameSize))
	}
	if b, err = w.bytes(off+headerSize, h.nameSize); err != nil {
		return nil, bad(err)
	}
	name, ended := strings.CutSuffix(string(b), "\x00")
	if !ended {
		return nil, bad(fmt.Errorf("the name %.200q does not end with a NUL", name))
	}
	h.name = name
	h.content = padded(off + headerSize + h.nameSize)
	if h.end = h.content + h.size; h.end > a.size {
		return nil, fmt.Errorf("%w: member %.200q at byte %d has %d bytes, and the archive ends before them", ErrFormat, name, off, h.size)
	}
	h.end = min(padded(h.end), a.size) // the last padding may be missing
	return h, nil
}

// old reports whether b begins an archive in a format that is not read.
func old(b []byte) bool {
	s := string(b)
	return s != magicNewc && s != magicCRC
}

// behind is the offset of the next archive, after zeros, or the end.
func (a *archive) behind(ctx context.Context, w *window, off int64) (int64, error) {
	for off < a.size {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		b, err := w.some(off)
		if err != nil {
			return 0, err
		}
		rest := bytes.TrimLeft(b, "\x00")
		off += int64(len(b) - len(rest))
		if len(rest) > 0 {
			break
		}
	}
	if off == a.size {
		return off, nil
	}
	if b, err := w.bytes(off, 6); err != nil || old(b) {
		return 0, fmt.Errorf("%w: something that is not one follows it at byte %d; an archive of which a part is compressed, such as an initrd with microcode, has to be unpacked and packed anew with cpio -o -H newc", ErrFormat, off)
	}
	return off, nil
}
