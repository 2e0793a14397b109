// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// WriteWith writes the package with another control file. All other members
// and all times in control.tar stay; the members of an ar archive are without
// times and owners, as "ar D" writes them. The same input gives the same bytes.
func (f *File) WriteWith(w io.Writer, control string) error {
	m, packed, err := f.packControl(control)
	if err != nil {
		return fmt.Errorf("%s: %w", f.control.Name, err)
	}
	if f.tarred {
		return f.writeTarred(w, m, packed)
	}
	members := make([]Member, len(f.members))
	for i, old := range f.members {
		if members[i] = old; old.Name == f.control.Name {
			members[i] = m
		}
	}
	return writeAr(w, members, func(x Member) io.Reader {
		if x.Name == m.Name {
			return bytes.NewReader(packed)
		}
		return io.NewSectionReader(f.r, x.Offset, x.Size)
	})
}

// packControl makes a new control.tar, compressed as the old one.
func (f *File) packControl(control string) (Member, []byte, error) {
	m := f.control
	for _, ending := range []string{".bz2", ".lzma"} { // which cannot be written, and not be read by dpkg
		if base, ok := strings.CutSuffix(m.Name, ending); ok {
			m.Name = base + ".gz"
			m.name = strings.Replace(m.name, ending, ".gz", 1) + strings.Repeat(" ", len(ending)-len(".gz"))
		}
	}
	var b bytes.Buffer
	z, err := compressor(m.Name, &b)
	if err != nil {
		return m, nil, err
	}
	t := tar.NewWriter(z)
	err = f.eachControl(func(h *tar.Header, r io.Reader) error {
		if path.Clean(h.Name) == "control" {
			r = strings.NewReader(control)
			h.Size = int64(len(control))
		}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := io.Copy(t, r)
		return err
	})
	if err := errors.Join(err, t.Close(), z.Close()); err != nil {
		return m, nil, err
	}
	m.Size = int64(b.Len())
	return m, b.Bytes(), nil
}

// compressor is the counterpart of Decompress.
func compressor(name string, w io.Writer) (io.WriteCloser, error) {
	switch path.Ext(name) {
	case ".xz":
		return xz.NewWriter(w)
	case ".gz":
		return gzipWriter(w, gzip.BestCompression)
	case ".zst":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	case "", ".tar":
		return plain{w}, nil
	}
	return nil, fmt.Errorf("%s: compression is not supported", name)
}

func gzipWriter(w io.Writer, level int) (*gzip.Writer, error) {
	z, err := gzip.NewWriterLevel(w, level)
	if err == nil {
		z.ModTime = time.Unix(0, 0) // none; the zero Time would be some number
	}
	return z, err
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// writeTarred writes the package as a gzip'd tar.
func (f *File) writeTarred(w io.Writer, m Member, packed []byte) error {
	z, err := gzipWriter(w, gzip.BestSpeed) // its content is compressed
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	var failed error
	err = f.eachInTar(func(h *tar.Header, r io.Reader) bool {
		if memberName(h) == f.control.Name {
			r = bytes.NewReader(packed)
			h.Size = m.Size
			h.Name = strings.TrimSuffix(h.Name, f.control.Name) + m.Name
		}
		if failed = t.WriteHeader(h); failed == nil {
			_, failed = io.Copy(t, r)
		}
		return failed == nil
	})
	return errors.Join(err, failed, t.Close(), z.Close())
}
