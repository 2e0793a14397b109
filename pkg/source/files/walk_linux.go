// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// Check refuses what the kernel says about this machine or this very
// process, such as its environment, in the form of files.
func Check(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	switch uint32(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC:
		return fmt.Errorf("%s is what the kernel tells about this machine and its processes, not a file for a stage", path)
	}
	return nil
}

// Walk calls f for path and all below it in byte order; rel is "." for
// path itself. A link at path itself is followed, those below are not. full
// names the file during the call, however deep it is; errors name it as it is
// found from path.
func Walk(path string, f func(rel, full string, st fs.FileInfo) error) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := f(".", path, st); err != nil || !st.IsDir() {
		return err
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return walkBelow(beneath.Root(fd), path, real, f)
}

func walkBelow(dir *beneath.Dir, top, real string, f func(rel, full string, st fs.FileInfo) error) error {
	fd, err := dir.FD()
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "list", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	for _, name := range names {
		rel := dir.Join(name)
		if fd, err = dir.FD(); err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
		}
		full := filepath.Join(real, rel)
		if len(full) > beneath.MaxPath { // the other is slower
			full = fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
		}
		st, err := os.Lstat(full)
		if err == nil {
			err = f(rel, full, st)
		}
		if err != nil {
			return renamed(err, full, filepath.Join(top, rel))
		}
		if !st.IsDir() {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, rel), Err: err}
		}
		dir.Rest()
		err = walkBelow(sub, top, real, f)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
