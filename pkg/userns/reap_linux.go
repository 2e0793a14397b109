// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of processes that the inner program leaves behind, and
// returns the children that it has already.
func adopt() (map[int]bool, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, err
	}
	pids, err := children()
	others := map[int]bool{}
	for _, pid := range pids {
		others[pid] = true
	}
	return others, err
}

// reapRest kills and awaits the processes that the inner program has left behind, and those that
// they leave in turn.
func reapRest(others map[int]bool) error {
	for {
		pids, err := children()
		if err != nil {
			return fmt.Errorf("look for processes that are left: %w", err)
		}
		left := 0
		for _, pid := range pids {
			if others[pid] {
				continue
			}
			left++
			_ = unix.Kill(pid, unix.SIGKILL) // it may be gone
			for {
				if _, err = unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
					break
				}
			}
			if err != nil && err != unix.ECHILD {
				return fmt.Errorf("wait for processes that are left: %w", err)
			}
		}
		if left == 0 {
			return nil
		}
	}
}

// children are the child processes of this process, of all its threads.
func children() ([]int, error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, t := range tasks {
		data, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err != nil {
			continue // the thread is gone
		}
		for f := range strings.FieldsSeq(string(data)) {
			if pid, err := strconv.Atoi(f); err == nil {
				out = append(out, pid)
			}
		}
	}
	return out, nil
}
