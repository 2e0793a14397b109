// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// Inspected is an open package file, for a look at it.
type Inspected struct {
	file    *os.File
	pkg     *debfile.File
	control *debfile.Control
}

// Inspect opens the package file name.
func Inspect(name string, l debfile.Limits) (*Inspected, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	i := &Inspected{file: f}
	if err := i.read(l); err != nil {
		_ = f.Close() // read only
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return i, nil
}

func (i *Inspected) read(l debfile.Limits) error {
	st, err := i.file.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if i.pkg, err = debfile.Open(i.file, st.Size(), l); err != nil {
		return err
	}
	i.control, err = i.pkg.Control()
	return err
}

// Close closes the file.
func (i *Inspected) Close() error { return i.file.Close() }

// Control is the control file.
func (i *Inspected) Control() string { return i.control.Text }

// Name is the package's own.
func (i *Inspected) Name() string { return i.control.Fields.Get("Package") }

// Depends are the fields Pre-Depends and Depends as FIELD: VALUE, each on one
// line.
func (i *Inspected) Depends() []string {
	var out []string
	for _, f := range []string{"Pre-Depends", "Depends"} {
		if v := i.control.Fields.Get(f); v != "" {
			out = append(out, f+": "+strings.Join(strings.Fields(v), " "))
		}
	}
	return out
}

// Files calls f with the names in data.tar, in its order.
func (i *Inspected) Files(f func(name string) error) error {
	return i.pkg.Data(func(h *tar.Header, _ io.Reader) error { return f(h.Name) })
}

// Fingerprint says what the package is but for the build that it is of. Two
// packages of one Base and one Sum are interchangeable.
type Fingerprint struct{ Package, Version, Base, Sum string }

// Fingerprint reads the whole package.
func (i *Inspected) Fingerprint() (Fingerprint, error) {
	sum, err := fingerprint(i.pkg, i.control)
	v := i.control.Fields.Get("Version")
	return Fingerprint{i.Name(), v, base(v), sum}, err
}
