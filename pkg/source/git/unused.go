// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/evict"
)

// Units are the mirrors and the packs of a cache, to be removed one by one. A unit
// that a process reads or writes is not removed, which is not an error.
func (c *Cache) Units() ([]evict.Unit, error) {
	mirrors, err := units(c.Dir, []string{".git", ".tmp", ".old"}, removeMirror)
	if err != nil {
		return nil, err
	}
	packs, err := units(filepath.Join(c.Dir, "packs"), []string{".tmp", ""}, func(base string) error { removeUnused(base); return nil })
	return append(mirrors, packs...), err
}

// units are the directories in a directory. Those whose names differ only in the
// ending form one unit: unfinished files belong to the finished ones.
func units(dir string, endings []string, remove func(base string) error) ([]evict.Unit, error) {
	all, err := evict.Units(dir)
	if err != nil {
		return nil, err
	}
	var out []evict.Unit
	at := map[string]int{} // base name → index in out
	for _, u := range all {
		i := slices.IndexFunc(endings, func(ending string) bool { return strings.HasSuffix(u.Path, ending) })
		if st, err := os.Lstat(u.Path); i < 0 || err != nil || !st.IsDir() {
			continue // locks
		}
		base := strings.TrimSuffix(u.Path, endings[i])
		if i, ok := at[base]; ok {
			out[i].Size += u.Size
			if u.Used.After(out[i].Used) {
				out[i].Used = u.Used
			}
			continue
		}
		at[base] = len(out)
		u.Remove = func() error { return remove(base) }
		out = append(out, u)
	}
	return out, nil
}

// removeMirror removes a mirror, unless it is in use. The lock files stay: a
// process may have them open.
func removeMirror(base string) error {
	for _, ending := range []string{".lock", ".use"} {
		lock, err := tryHold(base+ending, true)
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("remove a mirror: %w", err)
		}
		defer lock.Close()
	}
	// Renamed first: a partly removed mirror must not be found.
	if err := os.Rename(base+".git", base+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a mirror: %w", err)
	}
	return errors.Join(os.RemoveAll(base+".old"), os.RemoveAll(base+".tmp"))
}
