// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Control is the content of control.tar.
type Control struct {
	Text    string // the control file
	Fields  Stanza // of Text
	Scripts []Script
}

// Script is another member of control.tar: a maintainer script, conffiles,
// md5sums and the like.
type Script struct {
	Name    string
	Mode    uint32 // permission bits
	Content []byte
}

var (
	scriptRE  = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`)
	nameRE    = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9+._-]*$`)
	versionRE = lazyregexp.New(`^[!-'*+.0-9:-{}~-]+$`) // printable without ( ) , / |
)

// Control reads control.tar. Package, Version and Architecture are there and
// hold no blanks, slashes or control characters.
func (f *File) Control() (*Control, error) {
	c := &Control{}
	seen := map[string]bool{}
	err := f.eachControl(func(h *tar.Header, r io.Reader) error {
		name := path.Clean(h.Name)
		if name == "." && h.Typeflag == tar.TypeDir {
			return nil
		}
		if h.Typeflag != tar.TypeReg || !scriptRE().MatchString(name) || seen[name] {
			return fmt.Errorf("member %q is not allowed", h.Name)
		}
		seen[name] = true
		content, err := io.ReadAll(r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if name == "control" {
			c.Text = string(content)
			return nil
		}
		c.Scripts = append(c.Scripts, Script{name, uint32(h.Mode) & 0o7777, content})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.control.Name, err)
	}
	if !seen["control"] {
		return nil, fmt.Errorf("%s: has no control file", f.control.Name)
	}
	if c.Fields, err = ParseControl(c.Text); err != nil {
		return nil, fmt.Errorf("%s: control: %w", f.control.Name, err)
	}
	return c, nil
}

// ParseControl reads the control file of a package: one paragraph with sound
// values of Package, Version and Architecture.
func ParseControl(text string) (Stanza, error) {
	s, err := ParseStanza(text)
	if err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		re   *regexp.Regexp
	}{{"Package", nameRE()}, {"Version", versionRE()}, {"Architecture", nameRE()}} {
		if v := s.Get(f.name); !f.re.MatchString(v) {
			return nil, fmt.Errorf("field %s: %q", f.name, v)
		}
	}
	return s, nil
}

// eachControl goes through the entries of control.tar.
func (f *File) eachControl(fn func(*tar.Header, io.Reader) error) error {
	return f.each(f.control, f.limits.Control, fn)
}

// each goes through the entries of a tar member of at most limit bytes.
func (f *File) each(m Member, limit int64, fn func(*tar.Header, io.Reader) error) error {
	stored, err := f.open(m)
	if err != nil {
		return err
	}
	plain, err := Decompress(m.Name, stored)
	if err != nil {
		return err
	}
	defer plain.Close()
	limited := &capped{plain, limit}
	for t := tar.NewReader(limited); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, limited) // for the checksum at the end
			return err
		}
		if err != nil {
			return err
		}
		if err := fn(h, t); err != nil {
			return err
		}
	}
}
