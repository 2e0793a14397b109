// SPDX-License-Identifier: MPL-2.0

// Package fsck is how the owners of stored files tell which of them are damaged. Each
// owner knows how its own files are checked and how they are put aside, so that they are
// made or fetched again when they are needed next.
package fsck

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Damage is a stored file that is not what was stored.
type Damage struct {
	Kind string `json:"kind"` // as in Count
	Path string `json:"path"`
	What string `json:"what"` // what is wrong
	Then string `json:"then"` // what happens to it, or has to be done
}

// Count is how many things of a kind have been checked.
type Count struct {
	Kind string `json:"kind"` // such as "layer"
	N    int    `json:"checked"`
}

// Check is a check and what it has found. It may be used from one goroutine only.
type Check struct {
	Look    bool     // damage is only told, and nothing is changed
	Counts  []Count  // in the order of the first of each kind
	Found   []Damage // in the order in which it was found
	Waiting []string // paths of what is known to be damaged from before, and waits to be made again
	InUse   []string // paths that were not checked since another process is at work there
}

// Checked counts one thing that has been looked at, damaged or not.
func (c *Check) Checked(kind string) {
	for i := range c.Counts {
		if c.Counts[i].Kind == kind {
			c.Counts[i].N++
			return
		}
	}
	c.Counts = append(c.Counts, Count{kind, 1})
}

// Damaged notes a damage, and puts the thing aside unless the check only looks. Aside may be
// nil, and what it does not find is gone already.
func (c *Check) Damaged(d Damage, aside func() error) error {
	c.Found = append(c.Found, d)
	if c.Look || aside == nil {
		return nil
	}
	if err := aside(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put %s aside: %w", d.Path, err)
	}
	return nil
}

// Files calls f with the path of each regular file in a directory, but not those that are
// still being written, whose names begin with a dot. A directory that does not exist has none.
func Files(dir string, f func(path string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		if err := f(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return err
		}
	}
	return nil
}
