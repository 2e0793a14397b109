// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"fmt"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noSocketcall is a program for seccomp(2) under which socketcall(2) of i386, number 102,
// fails with ENOSYS. Its arguments are out of a filter's sight, and a runtime cannot refuse it:
// libseccomp allows it with each socket that it allows. The offsets are those of struct
// seccomp_data.
var noSocketcall = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 4}, // the architecture
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AUDIT_ARCH_I386, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 102, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
}

// start starts a runtime under noSocketcall, which what it starts inherits.
func start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		prog := unix.SockFprog{Len: uint16(len(noSocketcall)), Filter: &noSocketcall[0]}
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
		if errno != 0 {
			started <- fmt.Errorf("filter of system calls: %w", errno)
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}
