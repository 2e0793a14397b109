// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

func trim(b []byte) string { return string(bytes.TrimSpace(b)) }

// Settle completes Enter in the inner process; main calls it first when Inside
// says so. It waits until the ids are mapped, executes the program once more
// so that it is uid 0 with all capabilities of the namespace, and makes the
// mount namespace private, with a /proc of its own and a
// read-only /sys. The umask is 022 from then on; the caller's is returned.
func Settle(args, env []string) (umask int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if !genuine() {
		return 0, fmt.Errorf("%s is set in the environment, which only carosbuild does, for processes that it starts: unset it", stageVar)
	}
	for i, kv := range env {
		switch kv {
		case stageVar + "=wait":
			var b [1]byte
			if n, err := readFull(lifeline, b[:]); n != 1 {
				return 0, fmt.Errorf("the outer process is gone: %v", err)
			}
			next := append(append([]string{}, env[:i]...), env[i+1:]...)
			err := syscall.Exec("/proc/self/exe", args, append(next, stageVar+"=in"))
			return 0, fmt.Errorf("execute the program inside its namespace: %w", err)
		case stageVar + "=in":
			return unix.Umask(0o022), arrive() // a step's files must not depend on the caller
		}
	}
	return 0, fmt.Errorf("not inside a namespace")
}

func readFull(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

const cgroups = "/sys/fs/cgroup"

// genuine reports whether Enter has started this process: the first of its PID
// namespace, with a pipe for a lifeline. A variable that somebody has set must not
// have this program change mounts of the caller's.
func genuine() bool {
	var st unix.Stat_t
	return os.Getpid() == 1 && unix.Fstat(lifeline, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// arrive sets up what the second exec has reset and the mounts.
func arrive() error {
	// Gaining capabilities by exec clears the death signal.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the death signal: %w", err)
	}
	syscall.CloseOnExec(lifeline)
	syscall.CloseOnExec(handover)
	fds := []unix.PollFd{{Fd: lifeline}}
	if _, err := unix.Poll(fds, 0); err == nil && fds[0].Revents&unix.POLLHUP != 0 {
		return fmt.Errorf("the outer process is gone")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return &remedy.Error{
			Tried: "mount /proc inside the namespace", Err: err,
			Cure: "inside a container: unmask /proc (procMount: Unmasked, or --security-opt systempaths=unconfined)",
		}
	}
	// What is mounted below /sys too: a bind mount in a step would leave that
	// writable for uid 0, and runc tries to make cgroups where it can.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	err := unix.MountSetattr(unix.AT_FDCWD, "/sys", unix.AT_RECURSIVE, &attr)
	if err != nil && err != unix.ENOENT && err != unix.EINVAL { // EINVAL: no mount point
		return fmt.Errorf("make /sys read-only: %w", err)
	}
	return nil
}

// MountScratch mounts an empty tmpfs on dir, which only this namespace sees:
// what is put there vanishes with the process.
func MountScratch(dir string) error {
	if err := Private(dir); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mount scratch directory: %w", err)
	}
	return nil
}
