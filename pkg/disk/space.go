// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// Claim is the least amount of space that something is about to take.
type Claim struct {
	What  string // for messages, as in "packages"
	Path  string // a file or directory, which need not exist yet
	Bytes int64
}

// SpaceError says that a file system has too little space.
type SpaceError struct {
	Dir        string // a directory on it
	Claims     []Claim
	Need, Free int64 // bytes
}

func (e *SpaceError) Error() string {
	var parts []string
	for _, c := range e.Claims {
		parts = append(parts, fmt.Sprintf("%s %s", mebibytes(c.Bytes), c.What))
	}
	detail := ""
	if len(parts) > 1 {
		detail = " (" + strings.Join(parts, ", ") + ")"
	} else if len(parts) == 1 {
		detail = " (" + e.Claims[0].What + ")"
	}
	return fmt.Sprintf("the file system of %s has %s free, and at least %s%s are needed", e.Dir, mebibytes(e.Free-1<<20+1), mebibytes(e.Need), detail)
}

// Unwrap returns the error that a write would have ended with.
func (e *SpaceError) Unwrap() error { return syscall.ENOSPC }

func mebibytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20)
}

// CheckSpace compares claims with the space that is free for the caller, adding up
// claims on the same file system. Claims of zero, and file systems that do not
// report their space, are ignored. The error is a SpaceError.
func CheckSpace(claims []Claim) error {
	type system struct {
		SpaceError
		dev uint64
	}
	var all []*system
	for _, c := range claims {
		dir, dev, free, err := freeAt(c.Path)
		if err != nil || c.Bytes <= 0 {
			continue
		}
		var s *system
		for _, other := range all {
			if other.dev == dev {
				s = other
			}
		}
		if s == nil {
			s = &system{SpaceError{Dir: dir, Free: free}, dev}
			all = append(all, s)
		}
		s.Claims, s.Need = append(s.Claims, c), s.Need+c.Bytes
	}
	for _, s := range all {
		if s.Need > s.Free {
			return &s.SpaceError
		}
	}
	return nil
}

// freeAt returns the nearest existing directory of path, its device, and the free
// bytes there.
func freeAt(path string) (dir string, dev uint64, free int64, err error) {
	for dir = path; ; dir = filepath.Dir(dir) {
		st, err := os.Stat(dir)
		if err == nil && st.IsDir() {
			break
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) || dir == filepath.Dir(dir) {
			return "", 0, 0, fmt.Errorf("look for room at %s: %w", path, err)
		}
	}
	st, err := statfs(dir)
	if err != nil {
		return "", 0, 0, err
	}
	if st.blocks == 0 { // some have no limit
		return "", 0, 0, errors.New("no number of blocks")
	}
	return dir, st.dev, int64(min(st.free, 1<<40)) * st.block, nil
}

// fileSystem is what a file system reports about itself.
type fileSystem struct {
	dev          uint64
	blocks, free uint64 // free for the caller
	block        int64  // bytes
}

// leastRatio is a lower bound for compression: no format has compressed the files
// of a system to a smaller fraction.
const leastRatio = 0.02

// claims are the least sizes of the outputs: to the block for uncompressed ones,
// and a lower bound for the rest.
func claims(targets []target, m *image.Image) []Claim {
	var stored int64
	for _, x := range m.Extents() {
		if x.Src != (image.Zeros{}) {
			stored += x.Len
		}
	}
	var out []Claim
	for _, t := range targets {
		if t.kind != toFile {
			continue
		}
		n := stored
		if !t.format.Plain() {
			n = int64(leastRatio * float64(stored))
		}
		out = append(out, Claim{What: t.name, Path: filepath.Dir(t.path), Bytes: n})
	}
	return out
}
