// SPDX-License-Identifier: MPL-2.0

//go:build unix

package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// Flags for opening a path that may not be a file: without the first, a FIFO would
// wait for a writer; without the second, a terminal could become the controlling
// terminal of this process.
const (
	nonblock = unix.O_NONBLOCK
	noTTY    = unix.O_NOCTTY
)

// removeLeft removes an unfinished output that is not locked.
func removeLeft(name string) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|nonblock, 0)
	if err != nil {
		return
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		if left, err := freshfile.TryLock(f, freshfile.LockExclusive); err == nil && left {
			_ = os.Remove(name)
		}
	}
	_ = f.Close()
}

// renameOpen renames an open file.
func renameOpen(_ *os.File, from, to string) error { return os.Rename(from, to) }

// inDirectory reports whether files can be created in a directory.
func inDirectory(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// fileIdentity identifies the file that a path leads to, whatever its name.
func fileIdentity(path string, k targetKind) string {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return path
	}
	if k == toDevice {
		return fmt.Sprintf("block device %d:%d", unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev)))
	}
	return fmt.Sprintf("%s (inode %d)", path, st.Ino)
}
