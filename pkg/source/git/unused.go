// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package git

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/evict"
)

// Units are the mirrors and the packs of a cache, to be removed one by one. One
// that somebody reads or writes is not removed; that is no error.
func (c *Cache) Units() ([]evict.Unit, error) {
	mirrors, err := units(filepath.Join(c.Dir, "*.git"), func(dir string) error { return removeMirror(strings.TrimSuffix(dir, ".git")) })
	if err != nil {
		return nil, err
	}
	packs, err := units(filepath.Join(c.Dir, "packs", "*[0-9a-f]"), func(dir string) error { removeUnused(dir); return nil })
	return append(mirrors, packs...), err
}

func units(pattern string, remove func(dir string) error) ([]evict.Unit, error) {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	var out []evict.Unit
	for _, dir := range dirs {
		u, err := evict.Measure(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		u.Remove = func() error { return remove(dir) }
		out = append(out, u)
	}
	return out, nil
}

// removeMirror removes a mirror, unless somebody is at it. The locks' files stay:
// somebody may have them open.
func removeMirror(base string) error {
	for _, ending := range []string{".lock", ".use"} {
		lock, err := tryHold(base+ending, true)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("remove a mirror: %w", err)
		}
		defer lock.Close()
	}
	// Renamed first: half a mirror is none.
	if err := os.Rename(base+".git", base+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a mirror: %w", err)
	}
	return os.RemoveAll(base + ".old")
}
