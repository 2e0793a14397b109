// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/userns"
)

// memoryScratch makes a scratch directory in memory that only this mount namespace sees.
func memoryScratch(dir string) (scratch string, release func() error, err error) {
	scratch = filepath.Join(dir, "scratch")
	if err := userns.MountScratch(scratch); err != nil {
		return "", nil, err
	}
	return scratch, func() error { return unix.Unmount(scratch, unix.MNT_DETACH) }, nil
}

// scratchPrefix is the prefix of scratch directories on disk.
const scratchPrefix = "scratch-"

// plainScratch makes a scratch directory for a process without mounts of its own. Release
// removes it; those of killed processes are removed now. Beside DIR there is DIR.lock, which
// its process has locked.
func plainScratch(dir string) (scratch string, release func() error, err error) {
	if err := userns.Private(dir); err != nil {
		return "", nil, err
	}
	if err := sweepScratch(dir); err != nil {
		return "", nil, fmt.Errorf("remove files of earlier runs: %w", err)
	}
	lock, err := freshfile.CreateNamed(dir, scratchPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("make scratch directory: %w", err)
	}
	scratch = lock.Name() + ".d"
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return "", nil, errors.Join(fmt.Errorf("make scratch directory: %w", err), lock.Close())
	}
	return scratch, func() error {
		return errors.Join(beneath.RemoveAll(scratch), os.Remove(lock.Name()), lock.Close())
	}, nil
}

// DiskScratch makes an empty directory below another one, for files that a process leaves
// nobody and that memory may not hold. It is gone after release; where that is not
// called, the next DiskScratch removes it.
func DiskScratch(dir string) (scratch string, release func() error, err error) {
	return plainScratch(dir)
}

// sweepScratch removes scratch directories whose lock nobody has.
func sweepScratch(dir string) error {
	freshfile.Sweep(dir, scratchPrefix)
	left, err := filepath.Glob(filepath.Join(dir, scratchPrefix+"*.d"))
	for _, d := range left {
		if _, serr := os.Lstat(d[:len(d)-len(".d")]); errors.Is(serr, os.ErrNotExist) {
			err = errors.Join(err, beneath.RemoveAll(d))
		}
	}
	return err
}
