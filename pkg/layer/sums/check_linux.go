// SPDX-License-Identifier: MPL-2.0

package sums

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// Make records the files in dir as those of layer id. The error is a Mismatch if the sum of
// a file is not known.
func Make(file, id, dir string, format archive.Format, known archive.CRCs) error {
	w := newWriter(id)
	err := List(dir, format, func(f *File, ino uint64) error {
		if f.Size > 0 {
			crc, ok := known[ino]
			if !ok {
				return &archive.Mismatch{Path: f.Path, What: "was not there when the layer was made"}
			}
			f.CRC = crc
		}
		w.add(f)
		return nil
	})
	if err != nil {
		return err
	}
	return w.save(file)
}

// Check compares the directory of a layer with its record, which it reads to its
// end, without reading contents. It returns at most limit differences.
func (r *Reader) Check(dir string, format archive.Format, limit int) ([]*archive.Mismatch, error) {
	var out []*archive.Mismatch
	found := func(path, what string) {
		if len(out) < limit {
			out = append(out, &archive.Mismatch{Path: path, What: what})
		}
	}
	err := List(dir, format, func(f *File, _ uint64) error {
		for r.ok && Compare(r.cur.Path, f.Path) < 0 {
			found(r.cur.Path, "is missing")
			if err := r.next(); err != nil {
				return err
			}
		}
		if !r.ok || r.cur.Path != f.Path {
			found(f.Path, "was added")
			return nil
		}
		if what := f.Differs(&r.cur, 0); what != "" || f.opaque != r.cur.opaque {
			found(f.Path, "has changed: "+cmp.Or(what, "what it hides"))
		}
		return r.next()
	})
	for err == nil && r.ok {
		found(r.cur.Path, "is missing")
		err = r.next()
	}
	return out, err
}

// Differs says how the metadata of a file differs from the record, "" if it does not.
// Times later than clamp count as clamp; 0 means no clamp.
func (f *File) Differs(want *File, clamp int64) string {
	sec, nsec := want.Mtime, want.MtimeNsec
	if clamp != 0 && (sec > clamp || sec == clamp && nsec > 0) {
		sec, nsec = clamp, 0
	}
	switch {
	case f.Mode&unix.S_IFMT != want.Mode&unix.S_IFMT:
		return "its type"
	case f.Mode != want.Mode:
		return fmt.Sprintf("mode %o, was %o", f.Mode&0o7777, want.Mode&0o7777)
	case f.UID != want.UID || f.GID != want.GID:
		return fmt.Sprintf("owner %d:%d, was %d:%d", f.UID, f.GID, want.UID, want.GID)
	case f.Size != want.Size:
		return fmt.Sprintf("%d bytes, were %d", f.Size, want.Size)
	case f.Link != want.Link:
		return "the target of the link"
	case f.Rdev != want.Rdev:
		return "the device number"
	case f.Xattrs != want.Xattrs:
		return "its extended attributes"
	case f.Mtime != sec || f.MtimeNsec != nsec:
		return "its time"
	}
	return ""
}
