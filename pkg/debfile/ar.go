// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic    = "!<arch>\n"
	arHeader   = 60 // name 16, mtime 12, uid 6, gid 6, mode 8, size 10, magic 2
	arMembers  = 64 // more than any package has
	arSizeBits = 40 // ten decimal digits and some
)

// Member is one file of an ar archive.
type Member struct {
	Name         string // as in the header, without the slash that GNU ar adds
	Offset, Size int64  // of its content, bytes
	name         string // all 16 bytes of the header
}

// eachMember goes through the members of the archive in the first size bytes of
// r, as long as they are sound. All of a member lies within these bytes; the
// byte that fills up an odd one may be missing at the end.
func eachMember(r io.ReaderAt, size int64, fn func(Member) error) error {
	var magic [len(arMagic)]byte
	if size < int64(len(magic)) {
		return errors.New("not an ar archive")
	}
	if _, err := r.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(magic[:]) != arMagic {
		return errors.New("not an ar archive")
	}
	n := 0
	for at := int64(len(arMagic)); at < size; n++ {
		m, err := readMember(r, at, size)
		if err != nil {
			return err
		}
		if n == arMembers {
			return fmt.Errorf("more than %d ar members", arMembers)
		}
		if err := fn(m); err != nil {
			return err
		}
		at = m.Offset + m.Size + m.Size%2
	}
	return nil
}

// readMember reads the header at offset at.
func readMember(r io.ReaderAt, at, size int64) (Member, error) {
	var h [arHeader]byte
	if n, err := r.ReadAt(h[:], at); n < len(h) && err != nil && !errors.Is(err, io.EOF) {
		return Member{}, err
	}
	if at+arHeader > size || h[58] != '`' || h[59] != '\n' {
		return Member{}, errors.New("malformed ar header")
	}
	m := Member{name: string(h[:16]), Offset: at + arHeader}
	m.Name = strings.TrimSuffix(strings.TrimRight(m.name, " "), "/")
	digits, _, _ := strings.Cut(strings.TrimLeft(string(h[48:58]), " "), " ")
	if digits == "" {
		digits = "0" // as dpkg reads it
	}
	n, err := strconv.ParseUint(digits, 10, arSizeBits)
	if err != nil {
		return Member{}, fmt.Errorf("ar member %q: size %q", m.Name, h[48:58])
	}
	m.Size = int64(n)
	if m.Size > size-m.Offset {
		return Member{}, fmt.Errorf("ar member %q: truncated", m.Name)
	}
	return m, nil
}

// header is the member's as "ar D" writes it, which has neither time nor owner.
func (m Member) header() []byte {
	return fmt.Appendf(nil, "%s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", m.Size)
}

// writeAr writes an archive of members whose contents body opens.
func writeAr(w io.Writer, members []Member, body func(Member) io.Reader) error {
	if _, err := io.WriteString(w, arMagic); err != nil {
		return err
	}
	for _, m := range members {
		if _, err := w.Write(m.header()); err != nil {
			return err
		}
		n, err := io.Copy(w, body(m))
		if err == nil && n != m.Size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("ar member %q: %w", m.Name, err)
		}
		if m.Size%2 == 1 {
			if _, err := w.Write([]byte{'\n'}); err != nil {
				return err
			}
		}
	}
	return nil
}
