// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/carosio/carosbuild/pkg/remedy"
	"golang.org/x/sys/unix"
)

func trim(b []byte) string { return string(bytes.TrimSpace(b)) }

// ErrTold says that the program has to end, and that the outer program knows why.
var ErrTold = errors.New("the outer program has been told")

// Settle completes Enter in the inner process; main calls it first if Inside returns true. In
// namespaces it waits until the ids are mapped, executes the program again so that it is uid 0
// with all capabilities of the namespace, and makes the mount namespace private, with its own
// /proc and a read-only /sys. The umask is 022 from then on; the caller's is returned. After
// ErrTold, which was reported already, the program ends without a message.
func Settle(args, env []string) (umask int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stage, others := takeStage(env)
	if !genuine(stage) {
		return 0, fmt.Errorf("%s is set in the environment, which only carosbuild does, for processes that it starts: unset it", stageVar)
	}
	switch stage {
	case stageWait, stageWaitShared:
		var b [1]byte
		if n, err := readFull(lifeline, b[:]); n != 1 {
			return 0, fmt.Errorf("the outer process is gone: %v", err)
		}
		next := stageIn
		if stage == stageWaitShared {
			next = stageSharedRanges
		}
		err := syscall.Exec("/proc/self/exe", args, append(others, stageVar+"="+next))
		return 0, fmt.Errorf("execute the program inside its namespace: %w", err)
	case stageIn, stageShared, stageSharedRanges:
		if stage == stageSharedRanges {
			err = trySetns()
		}
		if err == nil {
			err = arrive(stage == stageIn)
		}
	case stagePlain:
		err = keepDescriptors()
	default:
		return 0, fmt.Errorf("not inside a namespace")
	}
	if err := report(err); err != nil {
		return 0, err
	}
	if slices.Contains(env, trialVar+"=1") {
		return 0, ErrTold
	}
	return unix.Umask(0o022), nil // a step's files must not depend on the caller
}

// takeStage separates the stage from the rest of an environment.
func takeStage(env []string) (stage string, others []string) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, stageVar+"="); ok {
			stage = v
			continue
		}
		others = append(others, kv)
	}
	return stage, others
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

// genuine reports whether Enter has started this process: with pipes for a lifeline and a
// report, and as the first process of its namespaces or, without namespaces, as a child of the
// same program. A variable that somebody else has set must not make this program change the
// caller's mounts.
func genuine(stage string) bool {
	for _, fd := range []int{lifeline, reporting} {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
			return false
		}
	}
	switch stage {
	case stagePlain:
		return startedBySelf()
	case stageShared, stageSharedRanges, stageWaitShared:
		return inOwnNamespace()
	}
	return os.Getpid() == 1
}

// startedBySelf reports whether the parent runs the same program.
func startedBySelf() bool {
	parent, err := os.Stat(fmt.Sprintf("/proc/%d/exe", os.Getppid()))
	if err != nil {
		return false
	}
	self, err := os.Stat("/proc/self/exe")
	return err == nil && os.SameFile(parent, self)
}

// inOwnNamespace reports whether this process is in a different user namespace than its parent:
// then it may not inspect the parent. A process in its caller's namespace, with a variable set
// by hand, may.
func inOwnNamespace() bool {
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return false
	}
	parents, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", os.Getppid()))
	return errors.Is(err, unix.EACCES) || err == nil && parents != own
}

// trySetns finds out whether a filter refuses setns(2), with which runtimes enter the PID
// namespaces of steps if this process has none. No descriptor has the number -1.
func trySetns() error {
	if err := unix.Setns(-1, 0); err != unix.EBADF {
		return &remedy.Error{
			Tried: "enter a PID namespace, where /proc is masked", Err: err,
			Cure: "inside a container: a seccomp profile that permits setns (seccomp=unconfined), or unmask /proc (procMount: Unmasked, or --security-opt systempaths=unconfined)",
		}
	}
	return nil
}

// OwnPIDs reports whether the process that Enter started has its own PID namespace, with a
// /proc of it. It does not if the caller's /proc is masked.
func OwnPIDs() bool { return os.Getpid() == 1 }

// keepDescriptors keeps Enter's descriptors from the programs that this one starts.
func keepDescriptors() error {
	for _, fd := range []int{lifeline, reporting, handover} {
		syscall.CloseOnExec(fd)
	}
	fds := []unix.PollFd{{Fd: lifeline}}
	if _, err := unix.Poll(fds, 0); err == nil && fds[0].Revents&unix.POLLHUP != 0 {
		return fmt.Errorf("the outer process is gone")
	}
	return nil
}

// arrive restores what the second exec has reset, and sets up the mounts. With ownPIDs there is
// a new /proc.
func arrive(ownPIDs bool) error {
	// Gaining capabilities by exec clears the death signal.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the death signal: %w", err)
	}
	if err := keepDescriptors(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if ownPIDs {
		if err := mountProc(); err != nil {
			return err
		}
	}
	// Including mounts below /sys: a bind mount in a step would leave these writable for uid 0,
	// and runc tries to make cgroups where it can.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	err := unix.MountSetattr(unix.AT_FDCWD, "/sys", unix.AT_RECURSIVE, &attr)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 5.12, or a filter refuses it
		err = remountReadOnly("/sys")
	}
	if err != nil && err != unix.ENOENT && err != unix.EINVAL { // EINVAL: not a mount point
		return fmt.Errorf("make /sys read-only: %w", err)
	}
	return nil
}

// errMasked says that a new /proc would show what the current one hides.
var errMasked error = masked{unix.EPERM}

// masked is the kernel's error in that case.
type masked struct{ syscall.Errno }

func mountProc() error {
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	switch err {
	case nil:
		return nil
	case unix.EPERM:
		err = errMasked
	}
	return &remedy.Error{
		Tried: "mount /proc inside the namespace", Err: err,
		Cure: "inside a container: unmask /proc (procMount: Unmasked, or --security-opt systempaths=unconfined)",
	}
}

// remountReadOnly makes the mounts at and below a directory read-only, one by one. Their other
// restrictions stay, since a user namespace cannot lift them.
func remountReadOnly(dir string) error {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(info)) {
		f := strings.Fields(line)
		if len(f) < 6 || f[4] != dir && !strings.HasPrefix(f[4], dir+"/") {
			continue
		}
		flags := uintptr(unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY)
		for option := range strings.SplitSeq(f[5], ",") {
			flags |= mountFlags[option]
		}
		if err := unix.Mount("", f[4], "", flags, ""); err != nil {
			return fmt.Errorf("remount %s: %w", f[4], err)
		}
	}
	return nil
}

// mountFlags are the options of a mount in mountinfo, proc(5), that a remount has to
// repeat.
var mountFlags = map[string]uintptr{
	"nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME,
}

// MountScratch mounts an empty tmpfs on dir, which only this namespace sees: its contents
// vanish with the process.
func MountScratch(dir string) error {
	if err := Private(dir); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=700"); err != nil {
		return fmt.Errorf("mount scratch directory: %w", err)
	}
	return nil
}
