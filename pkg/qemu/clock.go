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
	// Machine is Wall without the time in which QEMU could have gone on and
	// had no processor: it is what the same would have taken on a host that has
	// nothing else to do. Time in which the guest itself waits counts in full.
	Machine time.Duration
}

func (s Spent) since(begun Spent) Spent {
	return Spent{s.Wall - begun.Wall, s.Machine - begun.Machine}
}

const (
	// sample is how often QEMU's threads are looked at.
	sample = 200 * time.Millisecond
	// maxThreads bounds how many of them.
	maxThreads = 512
)

// stopwatch measures what a process has spent, by what the kernel counts:
//   - /proc/PID/task/TID/schedstat has the nanoseconds for which a thread ran, and
//     those for which it was ready to run and waited: for other programs, or for
//     the next period of its cgroup's quota;
//   - /proc/PID/stat has a T while the process is stopped, as cpulimit does it;
//   - /proc/stat has the ticks that the hypervisor of a virtual host gave to others.
//
// Where the kernel does not count it, no time is taken off. A host whose processors
// are slow is not seen by this.
type stopwatch struct {
	proc  string // where /proc is
	pid   int    // 0 until the process has started
	begun time.Time

	last    time.Time     // when the following were read
	machine time.Duration // up to then
	owed    time.Duration // wait that was longer than the time that it could be taken from
	threads map[string]runs
	host    ticks
}

// runs is what a thread has run and waited so far.
type runs struct{ ran, waited time.Duration }

// ticks are those of all processors of the host so far.
type ticks struct{ busy, stolen uint64 }

func newStopwatch(now time.Time) *stopwatch {
	return &stopwatch{proc: "/proc", begun: now, last: now, threads: map[string]runs{}}
}

// read is what was spent until now.
func (w *stopwatch) read(now time.Time) Spent {
	if passed := now.Sub(w.last); passed >= sample {
		w.last = now
		w.machine += passed - min(passed, w.lost(passed))
	}
	return Spent{now.Sub(w.begun), w.machine}
}

// lost is how much of the time that has passed was taken from the process. The
// kernel counts a wait when it ends, so that one may be longer than that.
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

// slowest is what the thread that waited longest since the last sample has
// waited, and what the one that ran longest has run.
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

// schedstat reads what a thread has run and waited, in nanoseconds.
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

// stopped reports whether the process is.
func (w *stopwatch) stopped() bool {
	data, err := os.ReadFile(filepath.Join(w.proc, strconv.Itoa(w.pid), "stat"))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(data[bytes.LastIndexByte(data, ')')+1:], []byte(" ")) // its name may have anything in it
	return bytes.HasPrefix(state, []byte("T"))
}

// steal is the part of the time that a thread ran in which the hypervisor gave
// its processor away: the same part as of the whole host's.
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
		case i == 3 || i == 4: // nobody wanted it
		case i == 7:
			t.stolen = n
			t.busy += n
		default:
			t.busy += n
		}
	}
	return t
}
