// SPDX-License-Identifier: MPL-2.0

// Package load reads the files of declarations: those that are named, those that they
// are based on, and built-in ones. Package decl reads their contents; which other
// kinds of files may be named is up to the caller.
package load

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
)

// File reads a declaration. The files that it names are looked up beside it.
func File(name string) (decl.Source, error) {
	data, err := Limited(name)
	if err != nil {
		return decl.Source{}, err
	}
	return source(name, data)
}

// source is a file that was read.
func source(name string, data []byte) (decl.Source, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	return decl.Source{Name: name, Dirs: []string{dir}, Data: data}, err
}

// maxFile is one byte more than a declaration may have.
const maxFile = 16<<20 + 1

// Limited reads a file up to one byte more than a declaration may have: a device
// has no end.
func Limited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// BeginsAsXML reports whether a file may be a declaration. The base that a
// declaration names is not chosen by the user, and may be any file.
func BeginsAsXML(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return len(data) > 0 && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("<"))
}

// sameAs reports whether another source is the same file.
func sameAs(src decl.Source) func(decl.Source) bool {
	return func(other decl.Source) bool { return other.Name == src.Name && slices.Equal(other.Dirs, src.Dirs) }
}
