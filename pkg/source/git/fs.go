// SPDX-License-Identifier: MPL-2.0

package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Bounds for resolving a path.
const (
	maxLinks = 40 // as in the kernel
	maxLink  = 4096
)

var (
	errOutside = errors.New("a link in the path leads out of the repository")
	errLoop    = errors.New("too many links in the path")
)

// FS are the files of a commit, of which none may be larger than so many bytes.
// Links are followed only inside the commit; directories cannot be opened. It is
// valid as long as ctx. The commit must be in the mirror (Ensure).
func (c *Cache) FS(ctx context.Context, p Pinned, most int64) (fs.FS, error) {
	if !isID(p.Commit) {
		return nil, fmt.Errorf("%q is not a commit id", p.Commit)
	}
	out, err := c.local(ctx, p.URL, []string{p.Commit}, "ls-tree", "-r", "-z", "--full-tree", p.Commit)
	if err != nil {
		return nil, fmt.Errorf("list %s of %s: %w", p.Commit, redact(p.URL), err)
	}
	f := commitFS{most: most, modes: map[string]string{}}
	f.read = func(name string, most int64) ([]byte, error) { return c.File(ctx, p, name, most) }
	for entry := range strings.SplitSeq(string(out), "\x00") { // MODE TYPE ID, a tab, the path
		mode, _, _ := strings.Cut(entry, " ")
		if _, name, ok := strings.Cut(entry, "\t"); ok {
			f.modes[name] = mode
		}
	}
	return f, nil
}

// commitFS are the files of a commit.
type commitFS struct {
	read  func(name string, most int64) ([]byte, error) // largest size of a file in bytes
	most  int64
	modes map[string]string // by path, as in git
}

// Modes of git.
const (
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// Open reads a whole file.
func (f commitFS) Open(name string) (fs.File, error) {
	fail := func(err error) (fs.File, error) { return nil, &fs.PathError{Op: "open", Path: name, Err: err} }
	if !fs.ValidPath(name) {
		return fail(fs.ErrInvalid)
	}
	real, err := f.resolve(name)
	if err != nil {
		return fail(err)
	}
	if mode := f.modes[real]; mode == "" || mode == modeSubmodule {
		return fail(fs.ErrNotExist)
	}
	data, err := f.read(real, f.most)
	if err != nil {
		return fail(err)
	}
	return &memoryFile{Reader: bytes.NewReader(data), name: name}, nil
}

// resolve returns the entry that a path leads to.
func (f commitFS) resolve(name string) (string, error) {
	done, rest := "", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "" {
				return "", errOutside
			}
			if done = path.Dir(done); done == "." {
				done = ""
			}
			continue
		}
		at := path.Join(done, part)
		if f.modes[at] != modeLink {
			done = at
			continue
		}
		if links++; links > maxLinks {
			return "", errLoop
		}
		target, err := f.read(at, maxLink)
		if err != nil {
			return "", err
		}
		if path.IsAbs(string(target)) {
			return "", errOutside
		}
		rest = append(strings.Split(string(target), "/"), rest...)
	}
	return done, nil
}

// memoryFile is a file that has been read, with its metadata.
type memoryFile struct {
	*bytes.Reader
	name string
}

func (m *memoryFile) Stat() (fs.FileInfo, error) { return m, nil }
func (m *memoryFile) Close() error               { return nil }
func (m *memoryFile) Name() string               { return path.Base(m.name) }
func (m *memoryFile) Mode() fs.FileMode          { return 0o444 }
func (m *memoryFile) ModTime() time.Time         { return time.Time{} }
func (m *memoryFile) IsDir() bool                { return false }
func (m *memoryFile) Sys() any                   { return nil }
