// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"golang.org/x/sys/unix"
)

// FakeSandbox is an engine.Sandbox that calls a function in place of commands.
type FakeSandbox struct {
	// Program is called for each command; if nil, each exits with status 0. See OnHost.
	Program func(ctx context.Context, s sandbox.Command) (status int, err error)
	Archs   []string // architectures whose programs run, besides this machine's

	mu    sync.Mutex
	steps []sandbox.Command
}

// Steps are the commands so far, in the order in which they started.
func (f *FakeSandbox) Steps() []sandbox.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.steps)
}

// Emulate implements engine.Sandbox.
func (f *FakeSandbox) Emulate(_ context.Context, arch string) error {
	if arch == "" || arch == runtime.GOARCH || slices.Contains(f.Archs, arch) {
		return nil
	}
	return fmt.Errorf("no emulator for %s", arch)
}

// Run implements engine.Sandbox.
func (f *FakeSandbox) Run(ctx context.Context, s sandbox.Command) (int, error) {
	if err := f.Emulate(ctx, s.Arch); err != nil {
		return 0, err
	}
	f.mu.Lock()
	f.steps = append(f.steps, s)
	f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if f.Program == nil {
		return 0, nil
	}
	status, err := f.Program(ctx, s)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	return status, nil
}

// OnHost is a Program that runs a command of this machine in the directory of a step.
// Nothing isolates it: it is for the test's own commands, with relative paths.
func OnHost(ctx context.Context, s sandbox.Command) (int, error) {
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Dir, cmd.Env = filepath.Join(s.Root, s.Cwd), s.Env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.Stdin, s.Stdout, s.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // Pdeathsig depends on the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	group := -cmd.Process.Pid
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(group, unix.SIGKILL) })
	defer stop()
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		continue
	}
	_ = unix.Kill(group, unix.SIGKILL) // what is left, before the number is used again
	err := cmd.Wait()
	var x *exec.ExitError
	if !errors.As(err, &x) {
		return 0, err
	}
	if ws := x.Sys().(syscall.WaitStatus); ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return x.ExitCode(), nil
}
