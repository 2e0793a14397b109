// SPDX-License-Identifier: MPL-2.0

//go:build linux || darwin

package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// statfs returns what a directory's file system reports.
func statfs(dir string) (fileSystem, error) {
	var st unix.Stat_t
	var sf unix.Statfs_t
	if err := errors.Join(unix.Stat(dir, &st), unix.Statfs(dir, &sf)); err != nil {
		return fileSystem{}, err
	}
	return fileSystem{uint64(st.Dev), sf.Blocks, sf.Bavail, int64(sf.Bsize)}, nil //nolint:unconvert // types differ
}

// roomOf returns how much space f's file system has for data of unknown size, and
// how much of it has to stay free: a twentieth, at most 1 GiB.
func roomOf(f *os.File) (spare, reserve int64, err error) {
	var sf unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &sf); err != nil {
		return 0, 0, err
	}
	spare, reserve = roomIn(sf.Blocks, sf.Bavail, int64(sf.Bsize)) //nolint:unconvert // types differ
	return spare, reserve, nil
}
