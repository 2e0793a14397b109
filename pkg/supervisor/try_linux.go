// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Try tries whether the kernel passes system calls to a supervisor, and whether there is no
// other supervisor, on a thread that ends afterwards.
func Try() error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the filter stays with the thread
		tried <- tryListener()
	}()
	return <-tried
}

func tryListener() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	allow := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	p := unix.SockFprog{Len: 1, Filter: &allow[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&p)))
	runtime.KeepAlive(allow)
	if errno != 0 {
		return fmt.Errorf("pass system calls to a supervisor: %w", errno)
	}
	return unix.Close(int(fd))
}
