// SPDX-License-Identifier: MPL-2.0

// Package nochown is for a process that cannot give files away and uses a library that
// insists on it: chown(2) does nothing and succeeds. So it is for the program's own files
// only, and every file belongs to the account.
//
// containers/storage gives its directories to uid 0, whoever the caller is.
package nochown

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Install has the calls of all threads do nothing from now on, and those of all programs
// that they start. It needs no privilege, and takes away that of set-user-ID programs.
func Install() error {
	if len(calls()) == 0 {
		return fmt.Errorf("disable chown on %s: %w", runtime.GOARCH, unix.ENOSYS)
	}
	prog := program(calls())
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("disable chown: %w", err)
	}
	// TSYNC takes this thread's filters, and no_new_privs, to all others.
	tid, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("disable chown: %w", errno)
	}
	if tid != 0 {
		return fmt.Errorf("disable chown: thread %d has another filter", tid)
	}
	return nil
}

// program is the filter: numbers of other architectures pass.
func program(calls []uint32) []unix.SockFilter {
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	equal := func(k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	n := len(calls)
	out := []unix.SockFilter{load(4), equal(auditArch, 0, n+1), load(0)} // struct seccomp_data: nr, arch
	for i, c := range calls {
		out = append(out, equal(c, n-i, 0))
	}
	return append(out,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO}) // error 0
}
