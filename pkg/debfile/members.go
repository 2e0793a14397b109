// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	controlName = "control.tar"
	dataName    = "data.tar"
	versionName = "debian-binary"
)

// What dpkg takes control.tar and data.tar packed by.
var (
	controlEndings = []string{"", ".gz", ".xz", ".zst"}
	dataEndings    = append([]string{".bz2", ".lzma"}, controlEndings...)
)

// OpenDeb finds the members of a .deb in the first size bytes of r, by the
// rules of dpkg-deb: debian-binary comes first, then control.tar, then
// data.tar, and members between them have a name with _. What comes after
// data.tar does not matter.
func OpenDeb(r io.ReaderAt, size int64, l Limits) (*File, error) {
	f := &File{r: r, size: size, limits: l}
	if err := f.list(true); err != nil {
		return nil, err
	}
	return f, f.checkFormat()
}

// list goes through the members of an ar archive up to data.tar and notes those
// that it knows; strict is dpkg's order. Members behind are kept for WriteWith
// as far as they are sound.
func (f *File) list(strict bool) error {
	enough := func() bool { return f.control.Name != "" && f.data.Name != "" }
	err := eachMember(f.r, f.size, func(m Member) error {
		if !enough() {
			if err := f.assign(m, strict); err != nil {
				return err
			}
		}
		f.members = append(f.members, m)
		return nil
	})
	if err != nil && !enough() {
		return err
	}
	if !enough() {
		return errors.New("lacks a control.tar or data.tar member")
	}
	return nil
}

// assign finds out which member m is.
func (f *File) assign(m Member, strict bool) error {
	switch {
	case strict && len(f.members) == 0:
		if m.Name != versionName {
			return fmt.Errorf("lacks a %s member at its beginning", versionName)
		}
	case strings.HasPrefix(m.Name, "_"): // for others' additions
	case m.Name == versionName && !strict:
	case strings.HasPrefix(m.Name, controlName) && f.control.Name == "":
		return f.set(&f.control, m, controlName, controlEndings, strict)
	case strings.HasPrefix(m.Name, dataName) && f.data.Name == "" && (f.control.Name != "" || !strict):
		return f.set(&f.data, m, dataName, dataEndings, strict)
	default:
		return fmt.Errorf("member %q is not expected here", m.Name)
	}
	return nil
}

// set takes m for one of the two, unless it is packed by what dpkg, or nothing
// here, knows.
func (f *File) set(to *Member, m Member, base string, known []string, strict bool) error {
	if !strict {
		known = dataEndings
	}
	if !slices.Contains(known, strings.TrimPrefix(m.Name, base)) {
		return fmt.Errorf("member %q is packed in a way that is not known", m.Name)
	}
	*to = m
	return nil
}

// parseVersion wants MAJOR.MINOR and the end of the line, of format 2.
func parseVersion(text string) error {
	line, _, ended := strings.Cut(text, "\n")
	major, minor, ok := strings.Cut(line, ".")
	if !ok || !ended || !isNumber(major) || !isNumber(minor) || strings.TrimLeft(major, "0") != "2" {
		return errors.New("not a package of format 2")
	}
	return nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Members are control.tar and data.tar of an ar archive: where they lie in it.
func (f *File) Members() (control, data Member) { return f.control, f.data }
