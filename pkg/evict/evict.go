// SPDX-License-Identifier: MPL-2.0

// Package evict finds out what of a cache has not been used for a while.
//
// A file was last used when it was last written or read, as its times say. File
// systems mounted with relatime, as they are by default, note a read once a day;
// those with noatime note none, and there a file counts from when it was written.
package evict

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Unit is what is removed as a whole.
type Unit struct {
	Kind   string // what a user calls it; for who collects the units of several caches
	Path   string
	Size   int64        // bytes on the disk
	Used   time.Time    // last
	Remove func() error // idempotent
}

// Units are the entries of directories, each with all that is in it. A directory
// that does not exist has none.
func Units(dirs ...string) ([]Unit, error) {
	var all []Unit
	for _, dir := range dirs {
		units, err := unitsOf(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, units...)
	}
	return all, nil
}

func unitsOf(dir string) ([]Unit, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for unused files: %w", err)
	}
	var out []Unit
	for _, e := range entries {
		u, err := Measure(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// Together is units of which those with the same name up to the first dot go
// together.
func Together(units []Unit) []Unit {
	var out []Unit
	at := map[string]int{}
	for _, u := range units {
		stem, _, _ := strings.Cut(filepath.Base(u.Path), ".")
		i, ok := at[stem]
		if !ok || stem == "" {
			at[stem] = len(out)
			out = append(out, u)
			continue
		}
		first := out[i]
		out[i] = Unit{
			Path: first.Path, Size: first.Size + u.Size, Used: first.Used,
			Remove: func() error { return errors.Join(first.Remove(), u.Remove()) },
		}
		if u.Used.After(first.Used) {
			out[i].Used = u.Used
		}
	}
	return out
}

// Measure looks at a file or a directory with all that is in it. Directories
// count by when something in them was made or removed, not by who lists them.
func Measure(path string) (Unit, error) {
	u := Unit{Path: path, Remove: func() error { return beneath.RemoveAll(path) }}
	err := filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil && p != path {
			return nil //nolint:nilerr // removed meanwhile, or a directory that cannot be listed
		}
		n, used, e := usage(p)
		if e != nil {
			if p != path {
				return nil
			}
			return &fs.PathError{Op: "lstat", Path: p, Err: e}
		}
		u.Size += n
		if used.After(u.Used) {
			u.Used = used
		}
		return nil
	})
	if err != nil {
		return Unit{}, fmt.Errorf("look for unused files: %w", err)
	}
	return u, nil
}
