// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Spent is how long a machine has been running.
type Spent struct {
	// Wall is the time by the host's clock.
	Wall time.Duration
	// Machine is Wall without the time in which QEMU was ready to run and had no
	// processor: it is the time that an otherwise idle host would have needed. Time
	// in which the guest itself waits counts in full.
	Machine time.Duration
}

func (s Spent) since(begun Spent) Spent {
	return Spent{s.Wall - begun.Wall, s.Machine - begun.Machine}
}

const (
	// sample is the interval at which QEMU's threads are examined.
	sample = 200 * time.Millisecond
	// maxThreads bounds their number.
	maxThreads = 512
)

// stopwatch measures the time that a process has spent, from the kernel's counters:
//   - /proc/PID/task/TID/schedstat has the nanoseconds for which a thread ran, and
//     those for which it was ready to run and waited: for other programs, or for
//     the next period of its cgroup's quota;
//   - /proc/PID/stat has a T while the process is stopped, as cpulimit does it;
//   - /proc/stat has the ticks that the hypervisor of a virtual host gave to others.
//
// If the kernel does not provide a counter, no time is subtracted. Slow processors
// are not noticed.
type stopwatch struct {
	proc  string // mount point of /proc
	pid   int    // 0 until the process has started
	begun time.Time

	last    time.Time     // when the following were read
	machine time.Duration // machine time up to then
	owed    time.Duration // waiting time that exceeded the elapsed time, to be subtracted later
	threads map[string]runs
	host    ticks
}

// runs is how long a thread has run and waited so far.
type runs struct{ ran, waited time.Duration }

// ticks are the ticks of all processors of the host so far.
type ticks struct{ busy, stolen uint64 }

func newStopwatch(now time.Time) *stopwatch {
	return &stopwatch{proc: "/proc", begun: now, last: now, threads: map[string]runs{}}
}

// read returns the time spent until now.
func (w *stopwatch) read(now time.Time) Spent {
	if passed := now.Sub(w.last); passed >= sample {
		w.last = now
		w.machine += passed - min(passed, w.lost(passed))
	}
	return Spent{now.Sub(w.begun), w.machine}
}

// lost is the part of the elapsed time in which the process had no processor. The
// kernel counts a wait when it ends, so a wait may be longer than the elapsed time.
func (w *stopwatch) lost(passed time.Duration) time.Duration {
	if w.pid == 0 {
		return 0
	}
	most := w.slowest()
	stolen := w.steal(most.ran)
	if w.stopped() {
		return passed
	}
	w.owed += most.waited + stolen
	lost := min(w.owed, passed)
	w.owed -= lost
	return lost
}

// slowest is the longest wait of a thread since the last sample, and the longest
// run of one.
func (w *stopwatch) slowest() runs {
	var most runs
	paths, err := filepath.Glob(filepath.Join(w.proc, strconv.Itoa(w.pid), "task/*/schedstat"))
	if err != nil || len(paths) > maxThreads {
		return most
	}
	now := make(map[string]runs, len(paths))
	for _, path := range paths {
		r, ok := schedstat(path)
		if !ok {
			continue
		}
		now[path] = r
		before := w.threads[path] // a new thread has waited since the last sample, too
		most.ran = max(most.ran, r.ran-before.ran)
		most.waited = max(most.waited, r.waited-before.waited)
	}
	w.threads = now
	return most
}

// schedstat reads how long a thread has run and waited, in nanoseconds.
func schedstat(path string) (runs, bool) {
	data, err := os.ReadFile(path)
	f := strings.Fields(string(data))
	if err != nil || len(f) < 2 {
		return runs{}, false
	}
	ran, err1 := strconv.ParseInt(f[0], 10, 64)
	waited, err2 := strconv.ParseInt(f[1], 10, 64)
	return runs{time.Duration(ran), time.Duration(waited)}, err1 == nil && err2 == nil
}

// stopped reports whether the process is stopped.
func (w *stopwatch) stopped() bool {
	data, err := os.ReadFile(filepath.Join(w.proc, strconv.Itoa(w.pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(data[bytes.LastIndexByte(data, ')')+1:], []byte(" ")) // its name may contain anything
	return bytes.HasPrefix(state, []byte("T"))
}

// steal is the part of a thread's run time in which the hypervisor gave its
// processor to others: the same fraction as for the whole host.
func (w *stopwatch) steal(ran time.Duration) time.Duration {
	data, err := os.ReadFile(filepath.Join(w.proc, "stat"))
	if err != nil {
		return 0
	}
	now, before := hostTicks(string(data)), w.host
	w.host = now
	if before == (ticks{}) || now.busy <= before.busy || now.stolen <= before.stolen {
		return 0
	}
	part := float64(now.stolen-before.stolen) / float64(now.busy-before.busy)
	return time.Duration(min(part, 1) * float64(ran))
}

// hostTicks reads the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq and steal (proc_stat(5)).
func hostTicks(stat string) ticks {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return ticks{}
	}
	var t ticks
	for i, s := range f[1:9] {
		n, err := strconv.ParseUint(s, 10, 63)
		switch {
		case err != nil:
			return ticks{}
		case i == 3 || i == 4: // nobody needed it
		case i == 7:
			t.stolen = n
			t.busy += n
		default:
			t.busy += n
		}
	}
	return t
}
