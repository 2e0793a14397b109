// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// How often all processes of the machine are counted, with one system call, and how often
// those of the command, by reading /proc.
const (
	glance = 20 * time.Millisecond
	look   = 10 // glances
)

// Watch measures what the descendants of ancestors use together (0 is ignored), and returns the
// limit that they exceed as soon as they do, or "" when done is closed. Pause stops them for a
// moment or lets them continue, as far as that is possible at once; it may be nil. It is called
// when the machine has so many new processes that they may be the command's: during a fork bomb,
// this process would hardly get a processor to count them. Processes that have exceeded a limit
// stay stopped.
func (l Limits) Watch(pause func(stop bool), done <-chan struct{}, ancestors ...int) (exceeded string) {
	if l == (Limits{}) {
		<-done
		return ""
	}
	if pause == nil {
		pause = func(bool) {}
	}
	var g *group // none where control groups are not delegated, or hidden
	if self, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		g, _ = newGroup(cgroupRoot, string(self), ancestors[0], l)
	}
	defer g.close()
	result := make(chan string)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread has special settings
		Hurry()
		result <- l.watch(ancestors, g, pause, done)
	}()
	return <-result
}

func (l Limits) watch(ancestors []int, g *group, pause func(stop bool), done <-chan struct{}) (exceeded string) {
	before, room := machineTasks(), l.room(0)
	for n := 1; ; n++ {
		select {
		case <-done:
			return ""
		default:
		}
		// Not a Go timer, which would need another thread to run.
		wait := unix.NsecToTimespec(int64(glance))
		_ = unix.Nanosleep(&wait, nil)
		suspect := l.PIDs > 0 && int64(int16(machineTasks()-before)) > room
		if !suspect && n%look != 0 {
			continue
		}
		if suspect {
			pause(true)
		}
		tasks, memory := usage(ancestors)
		if over := cmp.Or(l.ExceededBy(tasks, memory), g.exceeded()); over != "" {
			pause(true) // until it is killed, for which other threads need to run
			return over
		}
		before, room = machineTasks(), l.room(tasks)
		if suspect {
			pause(false)
		}
	}
}

// room is how many new processes on the machine are suspicious: as many as the command may
// still start, but fewer than the machine's counter can distinguish.
func (l Limits) room(tasks int64) int64 { return min(l.PIDs-tasks, math.MaxInt16/2) }

// Hurry asks the scheduler for short time slices, so that this thread runs before threads with
// long ones; it needs Linux 6.12.
func Hurry() {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return
	}
	attr.Runtime = uint64(100 * time.Microsecond)
	_ = unix.SchedSetAttr(0, attr, 0)
}

// ExceededBy says which limit a number of tasks and bytes exceeds, "" for none.
func (l Limits) ExceededBy(tasks, memory int64) string {
	switch {
	case l.PIDs > 0 && tasks > l.PIDs:
		return fmt.Sprintf("it had more than %d processes and threads", l.PIDs)
	case l.Memory > 0 && memory > l.Memory:
		return fmt.Sprintf("it used more than %d bytes of memory", l.Memory)
	}
	return ""
}

// machineTasks is the number of processes and threads on the machine, modulo 65536.
func machineTasks() uint16 {
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info)
	return info.Procs
}

// usage returns the number of threads of the descendants of processes, and their memory.
func usage(ancestors []int) (tasks, memory int64) {
	all, _ := Descendants(ancestors...) // without /proc there is nothing to see
	for _, p := range all {
		tasks += int64(p.Threads)
		memory += anonymous(p.PID)
	}
	return tasks, memory
}
