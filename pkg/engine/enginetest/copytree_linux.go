// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// copyTree copies files, links and directories, with their modes and times. Files
// with several names keep them; owners and attributes are left out.
func copyTree(src, dst string) error {
	first := map[uint64]string{}
	var dirs []string
	err := filepath.WalkDir(src, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, from)
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		to, sys := filepath.Join(dst, rel), st.Sys().(*syscall.Stat_t)
		if d.IsDir() {
			dirs = append(dirs, rel)
			return os.MkdirAll(to, 0o700)
		}
		if other, ok := first[sys.Ino]; ok {
			return os.Link(other, to)
		}
		first[sys.Ino] = to
		if err := copyFile(from, to, st); err != nil {
			return err
		}
		return sameMeta(from, to)
	})
	for _, rel := range slices.Backward(dirs) { // once nothing more is created in them
		if err == nil {
			err = sameMeta(filepath.Join(src, rel), filepath.Join(dst, rel))
		}
	}
	return err
}

func copyFile(from, to string, st fs.FileInfo) error {
	switch st.Mode().Type() {
	case 0:
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case fs.ModeNamedPipe:
		return unix.Mkfifo(to, 0o600)
	}
	return fmt.Errorf("copy %s: it is of type %s", from, st.Mode().Type())
}

// sameMeta sets to's mode and time to those of from.
func sameMeta(from, to string) error {
	var st unix.Stat_t
	if err := unix.Lstat(from, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, to, []unix.Timespec{st.Mtim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// prints are type, mode and content of every file of a tree, by path. Times do
// not count.
func prints(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		content := ""
		switch st.Mode().Type() {
		case 0:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		case fs.ModeSymlink:
			if content, err = os.Readlink(name); err != nil {
				return err
			}
		}
		out[rel] = st.Mode().String() + " " + content
		return nil
	})
	return out, err
}

// clampTimes sets times of a tree that are later than clamp to clamp.
func clampTimes(dir string, clamp int64) error {
	bound := time.Unix(clamp, 0)
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil || !st.ModTime().After(bound) {
			return err
		}
		ts := unix.Timespec{Sec: clamp}
		return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// crcs are the CRC-32C of the files of a tree, by inode.
func crcs(dir string) (map[uint64]uint32, error) {
	out := map[uint64]uint32{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		out[st.Sys().(*syscall.Stat_t).Ino] = crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		return nil
	})
	return out, err
}
