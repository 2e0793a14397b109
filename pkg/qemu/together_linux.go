// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieTogether makes the kernel kill a program when this process dies. Call done
// when the program has ended.
func dieTogether(cmd *exec.Cmd, ownGroup bool) (done func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: ownGroup}
	// PDEATHSIG is tied to the thread that started the child.
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
