// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// keeperName is argv[0] of a keeper.
const keeperName = "carosbuild-step"

// The descriptors of a keeper.
const (
	requestFD = 3 // end of file ends the step
	resultFD  = 4
)

// Init does not return if a Sandbox has started this process as a keeper. Main calls it first.
func Init() {
	var st unix.Stat_t
	if len(os.Args) == 1 && os.Args[0] == keeperName && unix.Fstat(requestFD, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		os.Exit(keep())
	}
}

// keep is the keeper. Settings that the kernel has per thread are made in the main thread,
// which starts the command and lives until the command has ended: the command's death signal
// follows that thread.
func keep() int {
	runtime.LockOSThread()
	closeOnExec()
	unix.Umask(0o022)
	// Caught, not ignored: the command would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	in, out := os.NewFile(requestFD, "request"), os.NewFile(resultFD, "result")
	var r request
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return 1 // the builder is gone
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}()
	if err := json.NewEncoder(out).Encode(r.keep(ended)); err != nil {
		return 1
	}
	return 0
}

// closeOnExec keeps all descriptors but the standard ones from the command, even those that
// the builder has inherited.
func closeOnExec() {
	if unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	names, err := os.ReadDir("/proc/self/fd") // before Linux 5.11
	if err != nil {
		return
	}
	for _, n := range names {
		var fd int
		if _, err := fmt.Sscan(n.Name(), &fd); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// keep runs the command in its root and then restores the root.
func (r *request) keep(ended <-chan struct{}) (res result) {
	scratch, err := os.MkdirTemp(r.Scratch, ".carosbuild-step-")
	if err != nil {
		return result{Err: err.Error()}
	}
	defer func() {
		if err := beneath.RemoveAll(scratch); err != nil && res.Err == "" {
			res.Err = err.Error()
		}
	}()
	mounts, err := systemMounts(scratch)
	if err != nil {
		return result{Err: err.Error()}
	}
	covered, err := sandbox.Cover(r.Root, scratch, append(mounts, r.Mounts...))
	if err != nil {
		return result{Err: err.Error()}
	}
	res = r.command(ended)
	if err := covered.Uncover(); err != nil {
		res.Err = errors.Join(asError(res.Err), err).Error()
	}
	return res
}

func asError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// command runs the command and kills what it has left behind.
func (r *request) command(ended <-chan struct{}) result {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return result{Err: "keep the step's processes: " + err.Error()}
	}
	l := &leader{}
	stop := l.watch(r.Limits, ended)
	pid, err := r.start()
	if err != nil {
		stop()
		return result{Start: errors.Join(err, killAll()).Error()}
	}
	l.started(pid)
	status, err := l.wait()
	over := stop()
	if err = errors.Join(err, killAll()); err != nil {
		return result{Err: "end the step: " + err.Error()}
	}
	if over != "" {
		return result{Over: over}
	}
	return result{Status: status}
}

// limit sets the kernel's limits for one process or one user on a process that has just been
// started.
func limit(pid int, l sandbox.Limits) error {
	for _, v := range l.Rlimits() {
		if err := unix.Prlimit(pid, v.Resource, &unix.Rlimit{Cur: v.Max, Max: v.Max}, nil); err != nil && err != unix.ESRCH {
			return fmt.Errorf("limit %s: %w", v.Name, err)
		}
	}
	return nil
}

// start starts the command, on this thread.
func (r *request) start() (int, error) {
	root, err := unix.Open(r.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("root: %w", err)
	}
	defer unix.Close(root)
	if err := makeCwd(root, r.Cwd); err != nil {
		return 0, fmt.Errorf("working directory %s: %w", r.Cwd, err)
	}
	program, err := lookPath(root, r.Args, r.Env, r.Cwd)
	if err != nil {
		return 0, err
	}
	if err := r.confine(); err != nil {
		return 0, err
	}
	attr := &syscall.ProcAttr{
		Dir: r.Cwd, Env: r.Env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{
			Chroot: r.Root, Credential: &syscall.Credential{Uid: r.UID, Gid: r.GID, Groups: r.Groups},
			Setsid: true, Setctty: r.Terminal, Ctty: 0, Pdeathsig: syscall.SIGKILL,
		},
	}
	pid, err := syscall.ForkExec(program, r.Args, attr)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", program, err)
	}
	return pid, limit(pid, r.Limits)
}
