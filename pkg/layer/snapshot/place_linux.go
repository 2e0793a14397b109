// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// PlaceError says that a store cannot be in a place.
type PlaceError struct {
	Dir string
	Why string // as in "it is on overlayfs, ..."
	Err error  // what the kernel said; may be nil
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("the store cannot be in %s: %s", e.Dir, e.Reason())
}

// Reason says why.
func (e *PlaceError) Reason() string {
	if e.Err != nil {
		return e.Why + ": " + e.Err.Error()
	}
	return e.Why
}

func (e *PlaceError) Unwrap() error { return e.Err }

// CheckPlace says what is wrong with a place for a store, as far as that is known without
// trying: it changes nothing and needs no namespace. Dir need not exist. The error is a
// PlaceError.
func CheckPlace(dir string) error {
	at := dir
	var st unix.Statfs_t
	for unix.Statfs(at, &st) != nil {
		if at == filepath.Dir(at) {
			return nil
		}
		at = filepath.Dir(at)
	}
	if st.Flags&unix.ST_NOEXEC != 0 {
		return &PlaceError{Dir: dir, Why: "its file system is mounted noexec"}
	}
	return nil
}

// Choose tries kinds of snapshots in an existing place, and returns the first that works
// there. Why has the reasons against those before it. If none works, the error is a
// PlaceError.
func Choose(dir string, kinds []Kind) (k Kind, why []*PlaceError, err error) {
	if err := CheckPlace(dir); err != nil {
		return "", nil, err
	}
	try := map[Kind]func(string) error{Overlay: tryOverlay, Copy: tryCopy}
	for _, k := range kinds {
		err := try[k](dir)
		if err == nil {
			return k, why, nil
		}
		place, ok := errors.AsType[*PlaceError](err)
		if !ok {
			return "", why, err
		}
		why = append(why, place)
	}
	if len(why) == 0 {
		return "", nil, errors.New("no kind of snapshots works here")
	}
	return "", why, why[0]
}

// tryCopy tries what copies need: whiteouts and opaque directories.
func tryCopy(dir string) (err error) {
	prefix, err := Prefix(Copy)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".carosbuild-trial-")
	if err != nil {
		return &PlaceError{Dir: dir, Why: "nothing can be made there", Err: err}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	fd, err := unix.Open(tmp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &PlaceError{Dir: dir, Why: "nothing can be read there", Err: err}
	}
	defer unix.Close(fd)
	if err := archive.TryMarks(fd, prefix); err != nil {
		return &PlaceError{Dir: dir, Why: "its file system lacks what layers need, such as extended attributes", Err: err}
	}
	return nil
}

// tryOverlay mounts an overlay of two directories in a place, replaces a directory in it,
// and unmounts it again.
func tryOverlay(dir string) (err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err == nil && fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return &PlaceError{Dir: dir, Why: "it is on overlayfs, as the root of a container is, and the kernel does not put one overlay on another"}
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
	// A directory that replaces another is marked with an attribute.
	err = os.RemoveAll(in("merged", "d"))
	if err == nil {
		err = os.Mkdir(in("merged", "d"), 0o700)
	}
	if err != nil {
		return &PlaceError{Dir: dir, Why: "its file system lacks what overlay mounts need, such as extended attributes", Err: err}
	}
	return nil
}
