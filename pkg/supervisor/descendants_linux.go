// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killTree kills a supervisor without a PID namespace, and all processes that it has started.
func killTree(p *os.Process) error {
	_ = p.Signal(syscall.SIGSTOP) // it answers no more calls
	for range 200 {
		left := descendants(p.Pid)
		if len(left) == 0 {
			break
		}
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return p.Kill()
}

// killDescendants kills all processes that a step has left behind. Orphans become children
// of this process, so none escapes. /proc shows the processes of this PID namespace.
func killDescendants() error {
	for range 1000 {
		left := 0
		for _, pid := range descendants(os.Getpid()) {
			left++
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if left == 0 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("processes of the step are still running")
}

// descendants are the children of a process, their children and so on, without zombies.
func descendants(top int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, zombie := parentOf(pid); !zombie {
			children[parent] = append(children[parent], pid)
		}
	}
	var out []int
	for queue := []int{top}; len(queue) > 0; queue = queue[1:] {
		out = append(out, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return out
}

// parentOf reads /proc/PID/stat, whose second field may hold anything in parentheses.
func parentOf(pid int) (parent int, zombie bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1, true
	}
	var state string
	if _, err := fmt.Sscan(string(data[bytes.LastIndexByte(data, ')')+1:]), &state, &parent); err != nil {
		return -1, true
	}
	return parent, state == "Z" || state == "X"
}
