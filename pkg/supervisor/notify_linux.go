// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor/filter"
)

// notification is struct seccomp_notif of linux/seccomp.h.
type notification struct {
	ID    uint64
	PID   uint32 // of the thread, as this process sees it
	Flags uint32
	NR    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// response is struct seccomp_notif_resp.
type response struct {
	ID    uint64
	Value int64
	Error int32
	Flags uint32
}

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	ID         uint64
	Flags      uint32
	SrcFD      uint32
	NewFD      uint32
	NewFDFlags uint32
}

// Requests of linux/seccomp.h that golang.org/x/sys does not have.
const (
	ioctlNotifIDValid  = 0x40082102
	ioctlNotifAddFD    = 0x40182103
	ioctlNotifSetFlags = 0x40082104
)

// listener is the descriptor from which a filter's calls are read.
type listener int

// receive waits for the next call. This must not be a RawSyscall, which would occupy the
// scheduler's processor while it waits.
func (l listener) receive(n *notification) error {
	*n = notification{}
	_, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(l), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n)))
	if errno != 0 {
		return errno
	}
	return nil
}

// send answers a call. ENOENT means that the caller was killed meanwhile.
func (l listener) send(r *response) error {
	_, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(l), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(r)))
	if errno != 0 && errno != unix.ENOENT {
		return errno
	}
	return nil
}

// valid reports whether a call still waits, so that its thread is the one that made it.
func (l listener) valid(id uint64) bool {
	_, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifIDValid, uintptr(unsafe.Pointer(&id)))
	return errno == 0
}

// give answers a call with a new descriptor in the caller for a file of this process.
func (l listener) give(id uint64, fd int, closeOnExec bool) error {
	a := addFD{ID: id, Flags: unix.SECCOMP_ADDFD_FLAG_SEND, SrcFD: uint32(fd)}
	if closeOnExec {
		a.NewFDFlags = unix.O_CLOEXEC
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifAddFD, uintptr(unsafe.Pointer(&a)))
	if errno != 0 {
		return errno
	}
	return nil
}

// syncWakeUp makes a waiting receiver run on the caller's processor, if the kernel can do
// this (6.6).
func (l listener) syncWakeUp() {
	_, _, _ = syscall.RawSyscall(unix.SYS_IOCTL, uintptr(l), ioctlNotifSetFlags, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// ownArchs are the architectures whose programs this machine runs natively, its own first.
func ownArchs() ([]filter.Arch, error) {
	switch runtime.GOARCH {
	case "amd64":
		return []filter.Arch{filter.X8664, filter.I386}, nil
	case "arm64":
		return []filter.Arch{filter.ARM64, filter.ARM}, nil
	}
	return nil, fmt.Errorf("no table of system calls for %s", runtime.GOARCH)
}

// allowedCalls are the calls that pass without a rule, by architecture.
func allowedCalls() (map[filter.Arch][]sandbox.Range, error) {
	names, err := sandbox.AllowedCalls()
	if err != nil {
		return nil, err
	}
	out := map[filter.Arch][]sandbox.Range{}
	for _, table := range []*arch.Info{arch.X86_64, arch.I386, arch.AARCH64, arch.ARM} {
		out[filter.Arch(table.ID)] = sandbox.Ranges(names, table.SyscallNames)
	}
	return out, nil
}

// install installs the filter for this thread and for all that it executes and forks. With
// no_new_privs this works without capabilities, too.
func install(program []filter.Instruction) (listener, error) {
	prog := struct {
		n uint16
		p *filter.Instruction
	}{uint16(len(program)), &program[0]}
	var fd uintptr
	var errno syscall.Errno
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0} { // the flag needs Linux 5.19
		fd, _, errno = syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, uintptr(unsafe.Pointer(&prog)))
		if errno == unix.EACCES {
			if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
				return -1, fmt.Errorf("set no_new_privs: %w", err)
			}
			fd, _, errno = syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, uintptr(unsafe.Pointer(&prog)))
		}
		if errno == 0 {
			runtime.KeepAlive(program)
			return listener(fd), nil
		}
		if errno != unix.EINVAL {
			break
		}
	}
	if errors.Is(errno, unix.EBUSY) {
		return -1, fmt.Errorf("install the supervisor's filter: another supervisor already watches this process: %w", errno)
	}
	return -1, fmt.Errorf("install the supervisor's filter: %w", errno)
}
