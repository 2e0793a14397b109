// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Process is a process as described in /proc, proc_pid_stat(5).
type Process struct {
	PID, Parent, Group, Threads int
	State                       byte // R, S, D, T, Z and so on
}

// Descendants are the processes that descend from ancestors, without these. No ancestor may
// descend from another. Number 0 is ignored.
func Descendants(ancestors ...int) ([]Process, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	children := map[int][]Process{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, err := ReadProcess(pid); err == nil {
			children[p.Parent] = append(children[p.Parent], p)
		}
	}
	var all []Process
	delete(children, 0) // children of the kernel, and of processes outside the PID namespace
	for todo := slices.Clone(ancestors); len(todo) > 0; todo = todo[1:] {
		for _, p := range children[todo[0]] {
			all = append(all, p)
			todo = append(todo, p.PID)
		}
	}
	return all, nil
}

// ReadProcess reads one process.
func ReadProcess(pid int) (Process, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	p, ok := parseStat(pid, string(data))
	if !ok {
		return Process{}, fmt.Errorf("/proc/%d/stat is %q", pid, data)
	}
	return p, nil
}

// parseStat reads state, parent, group and the number of threads, which follow the name; the
// name is in parentheses and may have any characters.
func parseStat(pid int, stat string) (Process, bool) {
	i := strings.LastIndexByte(stat, ')')
	f := strings.Fields(stat[i+1:])
	if i < 0 || len(f) < 18 {
		return Process{}, false
	}
	p := Process{PID: pid, State: f[0][0]}
	for at, n := range map[int]*int{1: &p.Parent, 2: &p.Group, 17: &p.Threads} {
		var err error
		if *n, err = strconv.Atoi(f[at]); err != nil {
			return Process{}, false
		}
	}
	return p, true
}

// anonymous is how many bytes of a process's memory do not belong to files, proc_pid_statm(5);
// 0 if it is gone.
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
