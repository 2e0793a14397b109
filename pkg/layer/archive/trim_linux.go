// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// lowers are the directories below an upper one, top first.
type lowers []string

// openBeneath opens a path below a directory without following symbolic links.
func openBeneath(dir, rel string, flags int) (int, error) {
	return beneath.OpenIn(dir, rel, flags)
}

// Trim removes from an upper directory what the sandbox, not the step, made in it:
// exclude with everything below, and stubs that are still empty.
func Trim(upper string, exclude, stubs []string) error {
	if len(exclude)+len(stubs) == 0 {
		return nil
	}
	root, err := os.OpenRoot(upper)
	if err != nil {
		return fmt.Errorf("open snapshot: %w", err)
	}
	defer root.Close()
	remove := func(p string, all bool) error {
		rel := cleanRel(p)
		if rel == "" {
			return fmt.Errorf("the root directory cannot be left out of a layer")
		}
		if !plainParents(root, rel) {
			return nil // the step has put something there
		}
		if all {
			return removeIn(upper, rel)
		}
		st, err := root.Lstat(rel)
		if err != nil || st.Mode().IsRegular() && st.Size() > 0 || !st.Mode().IsRegular() && !st.IsDir() {
			return nil
		}
		if err := root.Remove(rel); err != nil && !isNotEmpty(err) {
			return err
		}
		return nil
	}
	for _, p := range exclude {
		if err := remove(p, true); err != nil {
			return fmt.Errorf("leave %s out of the layer: %w", p, err)
		}
	}
	sorted := make([]string, len(stubs))
	for i, p := range stubs {
		sorted[i] = cleanRel(p)
	}
	slices.Sort(sorted)
	for _, p := range slices.Backward(sorted) { // deepest first
		if err := remove(p, false); err != nil {
			return fmt.Errorf("leave %s out of the layer: %w", p, err)
		}
	}
	return nil
}

// removeIn removes a name below a directory with its contents.
func removeIn(dir, rel string) error {
	fd, err := openBeneath(dir, ParentOf(rel), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return beneath.RemoveAt(fd, path.Base(rel))
}

// plainParents reports whether all parents of rel are directories.
func plainParents(root *os.Root, rel string) bool {
	for d := path.Dir(rel); d != "."; d = path.Dir(d) {
		if st, err := root.Lstat(d); err != nil || !st.IsDir() {
			return false
		}
	}
	return true
}

func isNotEmpty(err error) bool {
	pe, ok := err.(*fs.PathError)
	return ok && (pe.Err == unix.ENOTEMPTY || pe.Err == unix.EEXIST)
}

// directory opens the topmost lower directory of that name.
func (l lowers) directory(rel string, f Format) (fd int, st unix.Stat_t, ok bool, err error) {
	for _, dir := range l {
		fd, err := openBeneath(dir, rel, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			continue
		}
		if st, err = f.stat(fd); err == nil {
			return fd, st, true, nil
		}
		unix.Close(fd)
		return -1, st, false, fmt.Errorf("read %q in the layers below: %w", rel, err)
	}
	return -1, st, false, nil
}

// fdPath is a path that names an open file.
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
