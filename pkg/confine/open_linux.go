// SPDX-License-Identifier: MPL-2.0

package confine

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open looks a path up, once, and returns a name that stands for what was found until
// done is called, whatever takes its place meanwhile. Errors are those of Check.
func (r *Roots) Open(path string) (name string, done func(), err error) {
	if r == nil {
		return path, func() {}, nil
	}
	abs, err := r.byName(path)
	if err != nil {
		return "", nil, err
	}
	fd, err := unix.Open(abs, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		if r.leaves(abs) {
			return "", nil, &OutsideError{path, true}
		}
		return "", nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	name = fmt.Sprintf("/proc/self/fd/%d", fd)
	real, err := os.Readlink(name)
	if _, _, ok := inside(r.real, real); err == nil && !ok {
		err = &OutsideError{path, true}
	}
	if err != nil {
		unix.Close(fd)
		return "", nil, err
	}
	return name, func() { unix.Close(fd) }, nil
}

// leaves reports whether links lead a path that cannot be opened out of every root
// that it is in by its name.
func (r *Roots) leaves(abs string) bool {
	for _, roots := range [][]string{r.named, r.real} {
		root, rel, ok := inside(roots, abs)
		if !ok {
			continue
		}
		dir, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // the root itself is missing
		}
		fd, err := unix.Openat2(dir, filepath.Clean(rel), &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS})
		unix.Close(dir)
		if err == nil {
			unix.Close(fd)
		}
		if err == unix.EXDEV || err == unix.ELOOP {
			return true
		}
	}
	return false
}
