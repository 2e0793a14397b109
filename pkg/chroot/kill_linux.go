// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// leader is the first process of a step, which leads its process group.
type leader struct {
	mu     sync.Mutex
	pid    int // 0 before it is started
	killed bool
	reaped bool // the number may have been reused
}

// watch ends the step when ended is closed, or when the step exceeds limits. It starts before
// the step: during a fork bomb it would start too late. Stop says which limit was exceeded.
func (l *leader) watch(limits sandbox.Limits, ended <-chan struct{}) (stop func() (over string)) {
	done, over := make(chan struct{}), ""
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ended:
			l.signal(unix.SIGKILL)
		case <-done:
		}
	})
	wg.Go(func() {
		pause := map[bool]unix.Signal{true: unix.SIGSTOP, false: unix.SIGCONT}
		over = limits.Watch(func(stop bool) { l.signal(pause[stop]) }, done, os.Getpid())
		if over != "" {
			l.signal(unix.SIGKILL)
		}
	})
	return func() string {
		close(done)
		wg.Wait()
		return over
	}
}

// started sets the process, and kills it if that was asked for before.
func (l *leader) started(pid int) {
	l.mu.Lock()
	l.pid = pid
	killed := l.killed
	l.mu.Unlock()
	if killed {
		l.signal(unix.SIGKILL)
	}
}

// wait reaps this process's children until the leader has ended, and returns the leader's exit
// status, 128+N if signal N ended it.
func (l *leader) wait() (int, error) {
	for {
		// Waits without reaping, which would need the lock.
		if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil && err != unix.EINTR {
			return 0, err
		}
		if ws, ok := l.reap(); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		} else if ok {
			return ws.ExitStatus(), nil
		}
	}
}

// reap reaps one child, and reports whether it was the leader.
func (l *leader) reap() (unix.WaitStatus, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ws unix.WaitStatus
	pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
	l.reaped = err == nil && pid == l.pid
	return ws, l.reaped
}

// signal sends a signal to the leader and its group at once.
func (l *leader) signal(sig unix.Signal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = l.killed || sig == unix.SIGKILL
	if l.pid > 0 && !l.reaped {
		_ = unix.Kill(-l.pid, sig)
	}
}

// killTime is how long processes may take to die: a process can hang in a call to a device or a
// file server.
const killTime = 30 * time.Second

// killAll kills all descendants of this process, and waits for them. Orphans become children of
// this process, so none is left once it has no children. It stops all of them first, since a
// process that sees another die may start a new one.
func killAll() error {
	deadline := time.Now().Add(killTime)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if reap() {
			return nil
		}
		for range 100 { // until a pass finds none that runs
			running, err := signalAll(unix.SIGSTOP)
			if err != nil {
				return err
			}
			if running == 0 {
				break
			}
		}
		if _, err := signalAll(unix.SIGKILL); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes of the step are still running %v after SIGKILL", killTime)
		}
		time.Sleep(wait)
	}
}

// reap reaps the children that have ended, and reports whether none is left.
func reap() bool {
	for {
		var ws unix.WaitStatus
		pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if err == unix.ECHILD {
			return true
		}
		if err == nil && pid == 0 || err != nil && err != unix.EINTR {
			return false
		}
	}
}

// signalAll sends a signal to the running descendants of this process and to their process
// groups: a whole group gets it at once, so no member can start another process meanwhile. The
// groups are in sessions that the step has made. It returns the number of processes.
func signalAll(sig unix.Signal) (int, error) {
	all, err := sandbox.Descendants(os.Getpid())
	if err != nil {
		return 0, err
	}
	groups, running := map[int]bool{}, 0
	for _, p := range all {
		if p.State == 'Z' || p.State == 'X' || p.State == 'T' && sig == unix.SIGSTOP {
			continue
		}
		running++
		if p.Group > 1 && p.Group != unix.Getpgrp() && !groups[p.Group] {
			groups[p.Group] = true
			_ = unix.Kill(-p.Group, sig)
		}
		signalOne(p, sig)
	}
	return running, nil
}

// signalOne sends a signal to a process, unless its number has been reused.
func signalOne(p sandbox.Process, sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		if err == unix.ENOSYS || err == unix.EPERM {
			_ = unix.Kill(p.PID, sig)
		}
		return
	}
	defer unix.Close(fd)
	now, err := sandbox.ReadProcess(p.PID)
	if err != nil || now.Group != p.Group && now.Parent != p.Parent {
		return
	}
	_ = unix.PidfdSendSignal(fd, sig, nil, 0)
}

// killIn kills the processes with a given root directory: those that a killed keeper has left.
// It cannot find processes of other users that this process may not trace.
func killIn(root string) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	if err := refuseOwnRoot(root); err != nil {
		return err
	}
	for range 100 {
		dirs, err := filepath.Glob("/proc/[0-9]*/root")
		if err != nil {
			return err
		}
		found := false
		for _, link := range dirs {
			if at, err := os.Readlink(link); err != nil || at != root {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
			if err == nil && !errors.Is(unix.Kill(pid, unix.SIGKILL), unix.ESRCH) {
				found = true
			}
		}
		if !found {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("processes of the step are still running")
}

// refuseOwnRoot refuses a directory that is this process's own root, which all other processes
// have, too.
func refuseOwnRoot(root string) error {
	var own, st unix.Stat_t
	if err := errors.Join(unix.Stat("/", &own), unix.Stat(root, &st)); err != nil {
		return err
	}
	if own.Dev == st.Dev && own.Ino == st.Ino {
		return fmt.Errorf("%s is this process's own root: no process in it is killed", root)
	}
	return nil
}
