// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package files

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Check refuses, on Linux, files in which the kernel describes the machine. Other
// systems have none.
func Check(string) error { return nil }

// Open opens a regular file that Walk has named.
func Open(full string) (*os.File, error) {
	f, err := os.Open(full)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "add", Path: full, Err: errors.New("is no longer a file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// content opens a file that Walk has named. The function it returns reads and closes the
// file, and returns its SHA-256, 32 bytes; it may be called in another goroutine, and is
// called once.
func content(full string) (func() (string, error), error) {
	f, err := Open(full)
	if err != nil {
		return nil, err
	}
	return func() (string, error) {
		defer f.Close()
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		h := sha256.New()
		if _, err := io.CopyBuffer(h, f, *buf); err != nil {
			return "", err
		}
		return string(h.Sum(nil)), nil
	}, nil
}

// Walk calls f for path and everything below it in byte order; rel is "." for path
// itself. A link at path itself is followed, links below it are not. full names the
// file. Unlike on Linux, the length of a path is limited by the system.
func Walk(path string, f func(rel, full string, st fs.FileInfo) error) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := f(".", path, st); err != nil || !st.IsDir() {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return walkBelow(path, real, "", f)
}

func walkBelow(top, real, dir string, f func(rel, full string, st fs.FileInfo) error) error {
	names, err := os.ReadDir(filepath.Join(real, dir)) // sorted by name
	if err != nil {
		return Renamed(err, filepath.Join(real, dir), filepath.Join(top, dir))
	}
	for _, n := range names {
		rel := filepath.Join(dir, n.Name())
		full := filepath.Join(real, rel)
		st, err := os.Lstat(full)
		if err == nil {
			err = f(rel, full, st)
		}
		if err == nil && st.IsDir() {
			err = walkBelow(top, real, rel, f)
		}
		if err != nil {
			return Renamed(err, full, filepath.Join(top, rel))
		}
	}
	return nil
}
