// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// holderName is argv[0] of a holder.
const holderName = "carosbuild-pids"

// Init does not return if this process was started as a holder. Main calls it first.
func Init() {
	if len(os.Args) != 1 || os.Args[0] != holderName || os.Getpid() != 1 {
		return
	}
	signal.Ignore() // all signals; the kernel then reaps what the step leaves
	for {
		_ = unix.Pause()
	}
}

// holder is the first process of a step's PID namespace, for when the runtime cannot be in a
// namespace that ends with this process. The kernel ends the whole namespace with it.
type holder struct{ cmd *exec.Cmd }

// hold starts a holder, which ends with the thread that calls this.
func hold() (*holder, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("hold the step's processes: %w", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.Env, cmd.Dir = []string{holderName}, []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("hold the step's processes: %w", err)
	}
	return &holder{cmd}, nil
}

// pid is the holder's process id, 0 if there is no holder.
func (h *holder) pid() int {
	if h == nil {
		return 0
	}
	return h.cmd.Process.Pid
}

// kill kills all processes of the step.
func (h *holder) kill() error { return h.cmd.Process.Kill() }

// endWithFirst kills the processes that the step leaves as soon as its first process has ended:
// the runtime waits for the end of the output, which these may have open.
func (h *holder) endWithFirst(pidFile string, done <-chan struct{}) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		pid, ok := readPID(pidFile)
		if !ok {
			continue
		}
		if p, err := sandbox.ReadProcess(pid); err != nil || p.State == 'Z' || p.State == 'X' {
			_ = h.kill() // it may be gone
			return
		}
	}
}

// end ends all processes of the step, and waits for them. The namespace lasts until the last one
// is reaped, including those that a killed or failed runtime has left.
func (h *holder) end() {
	_ = h.kill()
	ended := make(chan struct{})
	go func() {
		_ = h.cmd.Wait() // killed
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(10 * time.Millisecond):
			reapOrphans()
		}
	}
}

// reapOrphans reaps those children of this process that are in a PID namespace below its own and
// are not the first process there: these it has not started.
func reapOrphans() {
	all, err := sandbox.Descendants(os.Getpid())
	if err != nil {
		return
	}
	for _, p := range all {
		if p.Parent != os.Getpid() || p.State != 'Z' {
			continue
		}
		if n := namespaced(p.PID); len(n) > 1 && n[len(n)-1] != "1" {
			_, _ = unix.Wait4(p.PID, nil, unix.WNOHANG, nil)
		}
	}
}

// namespaced are the numbers of a process in the PID namespaces from this process's own down,
// proc_pid_status(5).
func namespaced(pid int) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return strings.Fields(numbers)
		}
	}
	return nil
}

// path is the step's PID namespace for the runtime, "" for a new one.
func (h *holder) path() string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf("/proc/%d/ns/pid", h.pid())
}
