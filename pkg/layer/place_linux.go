// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// PlaceError says that a store cannot be where it should.
type PlaceError struct {
	Dir string
	Why string // as in "it is on overlayfs, ..."
	Err error  // what the kernel said; may be nil
}

func (e *PlaceError) Error() string {
	s := fmt.Sprintf("the store cannot be in %s: %s", e.Dir, e.Why)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *PlaceError) Unwrap() error { return e.Err }

// CheckPlace says what is known to be wrong with a place for a store without
// trying: it changes nothing and needs no namespace. Dir need not exist. The
// error is a PlaceError.
func CheckPlace(dir string) error {
	at := dir
	var st unix.Statfs_t
	for unix.Statfs(at, &st) != nil {
		if at == filepath.Dir(at) {
			return nil
		}
		at = filepath.Dir(at)
	}
	switch {
	case st.Type == unix.OVERLAYFS_SUPER_MAGIC:
		return &PlaceError{Dir: dir, Why: "it is on overlayfs, as the root of a container is, and the kernel does not put one overlay on another"}
	case st.Flags&unix.ST_NOEXEC != 0:
		return &PlaceError{Dir: dir, Why: "its file system is mounted noexec"}
	}
	return nil
}

// TryPlace tries in a place what a store needs: it mounts an overlay of two
// directories there, replaces a directory in it, and takes it down again. The
// caller is in a namespace as for Open. Dir exists. The error is a PlaceError.
func TryPlace(dir string) (err error) {
	if err := CheckPlace(dir); err != nil {
		return err
	}
	o, err := detectOverlay()
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".carosbuild-trial-")
	if err != nil {
		return &PlaceError{Dir: dir, Why: "nothing can be made there", Err: err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	in := func(names ...string) string { return filepath.Join(append([]string{tmp}, names...)...) }
	for _, d := range []string{in("lower", "d", "x"), in("upper"), in("work"), in("merged")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return &PlaceError{Dir: dir, Why: "nothing can be made there", Err: err}
		}
	}
	if err := o.mount([]string{in("lower")}, in("upper"), in("work"), in("merged")); err != nil {
		return &PlaceError{Dir: dir, Why: "its file system does not carry overlay mounts", Err: err}
	}
	defer func() { err = errors.Join(err, detach(in("merged"))) }()
	// A directory that takes the place of another is marked with an attribute.
	err = os.RemoveAll(in("merged", "d"))
	if err == nil {
		err = os.Mkdir(in("merged", "d"), 0o700)
	}
	if err != nil {
		return &PlaceError{Dir: dir, Why: "its file system lacks what overlay mounts need, such as extended attributes", Err: err}
	}
	return nil
}
