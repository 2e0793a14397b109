// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Data goes through the entries of data.tar in order. Names are as in the
// archive; one that climbs with .. is an error.
func (f *File) Data(fn func(h *tar.Header, content io.Reader) error) error {
	entries, names := 0, int64(0)
	err := f.each(f.data, f.limits.Unpacked, func(h *tar.Header, r io.Reader) error {
		entries++
		names += int64(len(h.Name) + len(h.Linkname))
		if entries > f.limits.Entries || names > f.limits.Names {
			return fmt.Errorf("list of files: %w", ErrLimit)
		}
		if strings.ContainsRune(h.Name, 0) || slices.Contains(strings.Split(h.Name, "/"), "..") {
			return fmt.Errorf("name %q climbs", h.Name)
		}
		return fn(h, r)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", f.data.Name, err)
	}
	return nil
}

// StoredData reads data.tar as it is stored, compressed.
func (f *File) StoredData() (name string, size int64, r io.Reader, err error) {
	r, err = f.open(f.data)
	return f.data.Name, f.data.Size, r, err
}
