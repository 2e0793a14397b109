// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"golang.org/x/sys/unix"
)

// limit gives a process that has just been started the limits that the kernel has for one
// process or one user.
func limit(pid int, l sandbox.Limits) error {
	for _, v := range l.Rlimits() {
		if err := unix.Prlimit(pid, v.Resource, &unix.Rlimit{Cur: v.Max, Max: v.Max}, nil); err != nil && err != unix.ESRCH {
			return fmt.Errorf("limit %s: %w", v.Name, err)
		}
	}
	return nil
}

// watch ends a step when the builder does, or when the step takes more than it may.
type watch struct {
	limits   sandbox.Limits
	exceeded atomic.Pointer[string]
}

// watchInterval is how often the processes of a step are counted.
const watchInterval = 100 * time.Millisecond

// wait waits for the first process of a step, and gives its status. It ends the step early
// when the builder is gone, or when the step exceeds its limits.
func (w *watch) wait(pid int, ended <-chan struct{}) (int, error) {
	l := &leader{pid: pid}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		w.run(l, ended, done)
		close(stopped)
	}()
	status, err := l.wait()
	close(done)
	<-stopped
	return status, err
}

// run returns when done is closed.
func (w *watch) run(l *leader, ended, done <-chan struct{}) {
	var tick <-chan time.Time
	if w.limits != (sandbox.Limits{}) {
		t := time.NewTicker(watchInterval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-done:
			return
		case <-ended:
			ended = nil
			l.kill()
		case <-tick:
			if over := w.count(); over != "" {
				tick = nil
				w.exceeded.Store(&over)
				l.kill()
			}
		}
	}
}

func (w *watch) over() string {
	if s := w.exceeded.Load(); s != nil {
		return *s
	}
	return ""
}

// count says which limit the processes of the step exceed together.
func (w *watch) count() string {
	all, err := descendants()
	if err != nil {
		return ""
	}
	tasks, memory := int64(0), int64(0)
	for _, p := range all {
		tasks += int64(p.threads)
		memory += anonymous(p.pid)
	}
	switch {
	case w.limits.PIDs > 0 && tasks > w.limits.PIDs:
		return fmt.Sprintf("it had more than %d processes and threads", w.limits.PIDs)
	case w.limits.Memory > 0 && memory > w.limits.Memory:
		return fmt.Sprintf("it used more than %d bytes of memory", w.limits.Memory)
	}
	return ""
}

// anonymous is how many bytes of a process are in memory without being those of a file,
// proc_pid_statm(5); 0 of one that is gone.
func anonymous(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(data), &size, &resident, &shared); err != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}
