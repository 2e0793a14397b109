// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
)

// File is a .deb or .ipk package. Its methods may be called concurrently.
type File struct {
	r             io.ReaderAt
	size          int64
	limits        Limits
	members       []Member // of an ar archive; Offset is unset where tarred
	tarred        bool     // the members are in a gzip'd tar
	control, data Member
}

// Open finds the members of a .deb or .ipk in the first size bytes of r. Their
// order does not matter: opkg-build puts data.tar before control.tar.
func Open(r io.ReaderAt, size int64, l Limits) (*File, error) {
	f := &File{r: r, size: size, limits: l}
	head := make([]byte, min(size, int64(len(arMagic))))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if f.tarred = bytes.HasPrefix(head, []byte("\x1f\x8b")); !f.tarred {
		if err := f.list(false); err != nil {
			return nil, err
		}
		return f, f.checkFormat()
	}
	var err error
	if f.members, err = f.listTar(); err != nil {
		return nil, err
	}
	for _, m := range f.members {
		if err := f.assign(m, false); err != nil {
			return nil, err
		}
	}
	if f.control.Name == "" || f.data.Name == "" {
		return nil, errors.New("lacks a control.tar or data.tar member")
	}
	return f, f.checkFormat()
}

// checkFormat reads debian-binary.
func (f *File) checkFormat() error {
	for _, m := range f.members {
		if m.Name != versionName {
			continue
		}
		r, err := f.open(m)
		if err != nil {
			return err
		}
		const most = 4096 // of lines for later versions of the format
		text, err := io.ReadAll(io.LimitReader(r, most))
		if err != nil {
			return err
		}
		return parseVersion(string(text))
	}
	return errors.New("lacks a debian-binary member")
}

// open reads a member as it is stored.
func (f *File) open(m Member) (io.Reader, error) {
	if !f.tarred {
		return io.NewSectionReader(f.r, m.Offset, m.Size), nil
	}
	var found io.Reader
	err := f.eachInTar(func(h *tar.Header, r io.Reader) bool {
		if memberName(h) == m.Name {
			found = r
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = io.ErrUnexpectedEOF
	}
	return found, err
}

func memberName(h *tar.Header) string { return path.Clean(h.Name) }

// eachInTar goes through the outer tar until fn returns false.
func (f *File) eachInTar(fn func(*tar.Header, io.Reader) bool) error {
	z, err := gzip.NewReader(io.NewSectionReader(f.r, 0, f.size))
	if err != nil {
		return err
	}
	t := tar.NewReader(&capped{z, f.limits.Unpacked})
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !fn(h, t) {
			return nil
		}
	}
}

// listTar are the members of the outer tar.
func (f *File) listTar() ([]Member, error) {
	var out []Member
	var bad error
	err := f.eachInTar(func(h *tar.Header, _ io.Reader) bool {
		name := memberName(h)
		switch {
		case name == "." && h.Typeflag == tar.TypeDir:
		case h.Typeflag != tar.TypeReg || len(out) == arMembers:
			bad = fmt.Errorf("member %q is not expected here", h.Name)
		default:
			out = append(out, Member{Name: name, Size: h.Size})
		}
		return bad == nil
	})
	return out, errors.Join(err, bad)
}
