// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// leader is the first process of a step, in a group of its own number.
type leader struct {
	pid    int
	mu     sync.Mutex
	reaped bool // the number may be another's
}

// wait reaps this process's children until the leader has ended, and gives the status of
// that, 128+N when signal N ended it.
func (l *leader) wait() (int, error) {
	for {
		// Waits without reaping, for which it would have to keep others out.
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

// reap reaps one child, and says whether it was the leader.
func (l *leader) reap() (unix.WaitStatus, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ws unix.WaitStatus
	pid, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
	l.reaped = err == nil && pid == l.pid
	return ws, l.reaped
}

// kill kills the leader and its group, at once.
func (l *leader) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.reaped {
		_ = unix.Kill(-l.pid, unix.SIGKILL)
	}
}

// killTime is how long processes may take to die: one can hang in a call to a device or
// a file server.
const killTime = 30 * time.Second

// killAll kills all processes that descend from this one, and waits for them. Those whose
// parents end become its children, so that none is left when it has none. They are stopped
// first, all of them, because one that sees another die may start a new one.
func killAll() error {
	deadline := time.Now().Add(killTime)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if reap() {
			return nil
		}
		for range 100 { // until no pass finds one that still runs
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
			return fmt.Errorf("processes of the step are still there %v after SIGKILL", killTime)
		}
		time.Sleep(wait)
	}
}

// reap reaps the children that have ended, and says whether there are none any more.
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

// process is what /proc says of one, proc_pid_stat(5).
type process struct {
	pid, parent, group, threads int
	state                       byte
}

// signalAll sends a signal to the descendants of this process that run, and to the groups
// that they are in: a group gets it at once, and no member can start another meanwhile. The
// groups are in sessions that the step has made. It says how many there were.
func signalAll(sig unix.Signal) (int, error) {
	all, err := descendants()
	if err != nil {
		return 0, err
	}
	groups, running := map[int]bool{}, 0
	for _, p := range all {
		if p.state == 'Z' || p.state == 'X' || p.state == 'T' && sig == unix.SIGSTOP {
			continue
		}
		running++
		if p.group > 1 && p.group != unix.Getpgrp() && !groups[p.group] {
			groups[p.group] = true
			_ = unix.Kill(-p.group, sig)
		}
		signalOne(p, sig)
	}
	return running, nil
}

// signalOne sends a signal to a process if its number is not another one's by now.
func signalOne(p process, sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		if err == unix.ENOSYS || err == unix.EPERM {
			_ = unix.Kill(p.pid, sig)
		}
		return
	}
	defer unix.Close(fd)
	now, err := readProcess(p.pid)
	if err != nil || now.group != p.group && now.parent != p.parent {
		return
	}
	_ = unix.PidfdSendSignal(fd, sig, nil, 0)
}

// descendants are the processes that descend from this one.
func descendants() ([]process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	children := map[int][]process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := readProcess(pid); err == nil {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	var all []process
	for todo := []int{os.Getpid()}; len(todo) > 0; todo = todo[1:] {
		for _, p := range children[todo[0]] {
			all = append(all, p)
			todo = append(todo, p.pid)
		}
	}
	return all, nil
}

func readProcess(pid int) (process, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	p, ok := parseStat(pid, string(data))
	if !ok {
		return process{}, fmt.Errorf("/proc/%d/stat is %q", pid, data)
	}
	return p, nil
}

// parseStat reads state, parent, group and the number of threads, which come after the name;
// that is in parentheses and may have any characters.
func parseStat(pid int, stat string) (process, bool) {
	i := strings.LastIndexByte(stat, ')')
	f := strings.Fields(stat[i+1:])
	if i < 0 || len(f) < 18 {
		return process{}, false
	}
	p := process{pid: pid, state: f[0][0]}
	for at, n := range map[int]*int{1: &p.parent, 2: &p.group, 17: &p.threads} {
		var err error
		if *n, err = strconv.Atoi(f[at]); err != nil {
			return process{}, false
		}
	}
	return p, true
}

// killIn kills the processes whose root is a directory: what a killed keeper has left.
// Those of other users cannot be told from others where this one may not trace.
func killIn(root string) error {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
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
	return errors.New("processes of the step are still there")
}
