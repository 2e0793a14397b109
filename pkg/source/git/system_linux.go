// SPDX-License-Identifier: MPL-2.0

package git

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// inMemory is a file without a name: settings may contain tokens, so they are on no
// disk and in no list of processes.
func inMemory(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("gitconfig", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "gitconfig")
	if _, err := f.Write(data); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// inGroup starts a program so that it and its children end with this process and
// with the program's context.
func inGroup(x *exec.Cmd) {
	x.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	x.Cancel = func() error { return syscall.Kill(-x.Process.Pid, syscall.SIGTERM) }
}

// killGroup kills a program started by inGroup, and its children.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// setTime sets the time of a file, or of a symbolic link itself, in seconds since
// 1970.
func setTime(path string, t int64) error {
	times := []unix.Timespec{{Sec: t}, {Sec: t}}
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
}
