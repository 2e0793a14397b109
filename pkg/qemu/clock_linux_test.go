// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// books is a /proc with process 7.
type books struct {
	t   *testing.T
	dir string
}

func (b books) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b books) thread(id int, ran, waited time.Duration) {
	b.write(fmt.Sprintf("7/task/%d/schedstat", id), fmt.Sprintf("%d %d 12\n", ran.Nanoseconds(), waited.Nanoseconds()))
}

func (b books) state(s string) { b.write("7/stat", "7 (qemu) S (T) "+s+" 1 7 7 0 -1") }

func (b books) host(user, idle, steal int) {
	b.write("stat", fmt.Sprintf("cpu  %d 1 2 %d 3 0 4 %d 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n", user, idle, steal))
}

func TestStopwatch(t *testing.T) {
	begun := time.Unix(1000, 0)
	b := books{t, t.TempDir()}
	w := newStopwatch(begun)
	w.proc = b.dir
	seconds := 0.0
	step := func(name string, passed, machine float64) { // in seconds, each since the last step
		t.Helper()
		seconds += passed
		before := w.machine
		got := w.read(begun.Add(time.Duration(seconds * float64(sec))))
		if want := time.Duration(machine * float64(sec)); (got.Machine - before - want).Abs() > time.Millisecond {
			t.Errorf("%s: %v of %v s counts, want %v", name, got.Machine-before, passed, want)
		}
		if want := time.Duration(seconds * float64(sec)); got.Wall != want {
			t.Errorf("%s: %v by the clock, want %v", name, got.Wall, want)
		}
	}
	step("no process", 1, 1)
	w.pid = 7
	step("no books", 1, 1)
	b.thread(7, 0, 0)
	b.state("S")
	b.host(100, 1000, 0)
	step("first look", 1, 1)
	step("idle", 1, 1)
	b.thread(7, sec, 0)
	step("running", 1, 1)
	b.thread(7, sec*4/3, sec*2/3)
	step("a third of a processor", 1, 1.0/3)
	b.thread(7, sec*4/3, sec)
	b.thread(8, 0, sec/4)
	b.thread(9, 0, 0)
	step("the thread that waited longest counts", 1, 2.0/3)
	b.thread(9, sec/5, sec/5)
	step("a new thread", 1, 0.8)
	b.thread(9, sec/5, sec/5+3*sec)
	step("a wait is booked when it ends", 1, 0)
	step("the second after", 1, 0)
	step("the third", 1, 0)
	step("after it", 1, 1)
	b.thread(7, sec*4/3+sec/2, sec)
	b.host(175, 1000, 25)
	step("a quarter stolen by the hypervisor, of half a second", 1, 0.875)
	b.state("T")
	step("stopped", 1, 0)
	b.state("R")
	step("going on", 1, 1)
	b.write("7/task/9/schedstat", "nonsense")
	b.write("stat", "cpu x")
	step("damaged books", 1, 1)
	before := w.machine
	if got := w.read(w.last.Add(sample / 2)); got.Machine != before {
		t.Errorf("looked twice within %v", sample)
	}
}

// TestStopwatchReal: a stopped process spends no time, and a sleeping one does.
func TestStopwatchReal(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	w := newStopwatch(time.Now())
	w.pid = cmd.Process.Pid
	for range 3 {
		time.Sleep(sample)
		w.read(time.Now())
	}
	asleep := w.machine
	if asleep < sample {
		t.Errorf("asleep for %v, and %v count", 3*sample, asleep)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for !w.stopped() {
		time.Sleep(time.Millisecond)
	}
	w.read(time.Now())
	before := w.machine
	time.Sleep(2 * sample)
	if got := w.read(time.Now()); got.Machine != before {
		t.Errorf("stopped, and %v count", got.Machine-before)
	}
}
