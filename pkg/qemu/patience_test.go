// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	sec = time.Second
	mnt = time.Minute
)

func TestPatience(t *testing.T) {
	for _, tt := range []struct {
		name       string
		within     time.Duration
		now        Spent
		printed    time.Duration // time of the machine
		want       string        // "" if the wait continues
		begunLater Spent
	}{
		{"no bound", 0, Spent{1000 * mnt, 1000 * mnt}, 0, "", Spent{}},
		{"before it", 5 * mnt, Spent{299 * sec, 299 * sec}, 0, "", Spent{}},
		{"full speed, silent", 5 * mnt, Spent{300 * sec, 300 * sec}, 10 * sec, "not within 5m0s", Spent{}},
		{"full speed, a third of a minute of silence", 5 * mnt, Spent{300 * sec, 300 * sec}, 280 * sec, "", Spent{}},
		{"full speed, just silent", 5 * mnt, Spent{310 * sec, 310 * sec}, 280 * sec, "not within 5m0s", Spent{}},
		{"for ever printing", 5 * mnt, Spent{900 * sec, 900 * sec}, 900 * sec, "not within 5m0s, nor within 15m0s, although it went on printing", Spent{}},
		{"almost for ever", 5 * mnt, Spent{899 * sec, 899 * sec}, 899 * sec, "", Spent{}},
		{"a third of a processor", 5 * mnt, Spent{870 * sec, 290 * sec}, 0, "", Spent{}},
		{
			"a third of a processor, silent", 5 * mnt,
			Spent{900 * sec, 300 * sec},
			200 * sec,
			"not within 5m0s; it took 15m0s by the clock, but QEMU had no processor for 10m0s of it",
			Spent{},
		},
		{"ten times by the clock", 5 * mnt, Spent{50 * mnt, 60 * sec}, 60 * sec, "not within 5m0s; it took 50m0s by the clock, but QEMU had no processor for 49m0s of it", Spent{}},
		{"a short bound has a short silence", 8 * sec, Spent{8 * sec, 8 * sec}, 6 * sec, "not within 8s", Spent{}},
		{"from where it began", 1 * mnt, Spent{100 * sec, 100 * sec}, 10 * sec, "", Spent{50 * sec, 50 * sec}},
		{"silence counts from there", 4 * sec, Spent{54 * sec, 54 * sec}, 0, "not within 4s", Spent{50 * sec, 50 * sec}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := patience{tt.within, tt.begunLater, Spent{Machine: tt.printed}}
			if got := p.over(tt.now); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// scripted is a console that prints the next text when the previous one has been
// read and the clock is checked, and a clock that advances with each check.
type scripted struct {
	w       *os.File
	texts   []string
	printed bool
	step    Spent
	now     Spent
}

// Write learns what has been read.
func (s *scripted) Write(p []byte) (int, error) {
	if len(p) > 0 {
		s.printed = false
	}
	return len(p), nil
}

func (s *scripted) clock() Spent {
	s.now.Wall += s.step.Wall
	s.now.Machine += s.step.Machine
	if len(s.texts) > 0 && !s.printed {
		s.printed = true
		if _, err := s.w.WriteString(s.texts[0]); err != nil {
			panic(err)
		}
		s.texts = s.texts[1:]
	}
	return s.now
}

// TestWatch: a console without a machine, and a clock that does not need real time.
func TestWatch(t *testing.T) {
	many := slices.Repeat([]string{"again\n"}, 200)
	for _, tt := range []struct {
		name  string
		texts []string
		step  Spent
		want  string // why it ended; "" if all texts were found
		limit Spent  // the wait ends by then
	}{
		{"at once", []string{"login: "}, Spent{sec, sec}, "", Spent{10 * sec, 10 * sec}},
		{"slow, but there", append(slices.Repeat([]string{"busy\n"}, 30), "login: "), Spent{30 * sec, 10 * sec}, "", Spent{50 * mnt, 20 * mnt}},
		{"on a slow processor", append(slices.Repeat([]string{"busy\n"}, 30), "login: "), Spent{10 * sec, 10 * sec}, "", Spent{15 * mnt, 15 * mnt}},
		{"never, silent", []string{"busy\n"}, Spent{20 * sec, 20 * sec}, "not within 5m0s", Spent{360 * sec, 360 * sec}},
		{"never, printing", many, Spent{20 * sec, 20 * sec}, "not within 5m0s, nor within", Spent{16 * mnt, 16 * mnt}},
		{"hardly a processor", many, Spent{100 * sec, sec}, "not within 5m0s; it took 5", Spent{54 * mnt, mnt}},
		{"a bar that moves prints nothing new", slices.Repeat([]string{"\r[***] A start job is running"}, 200), Spent{20 * sec, 20 * sec}, "not within 5m0s", Spent{360 * sec, 360 * sec}},
		{"hopeless", []string{"fine\n", "Kernel panic - not syncing: VFS\n"}, Spent{sec, sec}, "Kernel panic - not syncing: VFS", Spent{10 * sec, 10 * sec}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			s := &scripted{w: w, texts: tt.texts, step: tt.step}
			c := &console{want: []Expectation{{regexp.MustCompile("login:"), 5 * mnt}}, log: s, clock: s.clock, tick: time.Millisecond}
			if got := c.watch(t.Context(), r); !strings.HasPrefix(got, tt.want) || got != "" && tt.want == "" {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if s.now.Wall > tt.limit.Wall || s.now.Machine > tt.limit.Machine {
				t.Errorf("it took %+v, want at most %+v", s.now, tt.limit)
			}
		})
	}
}

// TestHardBound: the deadline of the context ends a wait whose own bound has not
// passed, and the message names it.
func TestHardBound(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("--timeout"))
	defer cancel()
	begun := time.Now()
	c := &console{want: expect("login:"), clock: func() Spent { return Spent{Wall: time.Since(begun)} }, tick: time.Millisecond}
	if got := c.watch(ctx, r); !strings.HasPrefix(got, "not within ") || !strings.HasSuffix(got, "s (--timeout)") {
		t.Errorf("got %q", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if got := c.watch(ctx, r); got != "interrupted" {
		t.Errorf("got %q", got)
	}
}

func TestFailures(t *testing.T) {
	c := &console{want: expect("login:"), clock: still}
	for _, line := range []string{
		"\x1b[0m[\x1b[0;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mbird.service\x1b[0m - BIRD Internet Routing Daemon.\r",
		"See 'systemctl status bird.service' for details.",
		"\x1b[K[\x1b[0;1;31m TIME \x1b[0m] Timed out waiting for device dev-ttyS0.device - /dev/ttyS0.",
		"[\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for serial-getty@ttyS0.service - Serial Getty on ttyS0.",
		"[  OK  ] Started ssh.service - OpenBSD Secure Shell server.",
		"[   93.512345] systemd[1]: dev-ttyS0.device: Job dev-ttyS0.device/start timed out.",
		"[   93.512345] systemd[1]: Timed out waiting for device dev-ttyS1.device.",
		"[   93.6] systemd[1]: snmpd.service: Failed with result 'timeout'.",
		"[   93.6] systemd[1]: Failed to put bus name to hashmap",
		" * ERROR: sshd failed to start",
		"[ TIME ] Timed out waiting for device \x1b[0;1;…dev-ttyS0.device\x1b[0m - /dev/ttyS0.",
		"[FAILED] Failed to start \x1b[0;1;39mchrony.ser…0m - chrony, an NTP client/server.",
		"[FAILED] Failed to start \x1b[0;1;39msystemd-jo…ald.service\x1b[0m - Journal Service.",
		"[   99.1] systemd[1]: Failed to start systemd-journald.service - Journal Service.",
		"[FAILED] Failed to start \x1b[0;1;39mbird.service\x1b[0m - BIRD Internet Routing Daemon.",
	} {
		c.add(line + "\n")
	}
	want := []string{
		"Failed to start bird.service - BIRD Internet Routing Daemon.",
		"Timed out waiting for device dev-ttyS0.device - /dev/ttyS0.",
		"Dependency failed for serial-getty@ttyS0.service - Serial Getty on ttyS0.",
		"dev-ttyS0.device: Job dev-ttyS0.device/start timed out.",
		"Timed out waiting for device dev-ttyS1.device.",
		"snmpd.service: Failed with result 'timeout'.",
		"ERROR: sshd failed to start",
		"Failed to start chrony.ser… - chrony, an NTP client/server.",
		"Failed to start systemd-journald.service - Journal Service.",
	}
	if d := cmp.Diff(want, c.failed); d != "" {
		t.Errorf("failures (-want +got):\n%s", d)
	}
	for i := range 2 * maxFailed {
		c.add("[FAILED] " + strconv.Itoa(i) + strings.Repeat("é", 1000) + "\n")
	}
	if last := []rune(c.failed[len(c.failed)-1]); len(c.failed) != maxFailed || len(last) != maxFailedText {
		t.Errorf("%d failures kept, the last of %d characters", len(c.failed), len(last))
	}
	err := &ConsoleError{Waited: "login:", Reason: "not within 5m0s", Failed: want[:2]}
	if got, want := err.Error(), "the console did not show \"login:\": not within 5m0s\nwhat failed, as the console says:\n"+strings.Join(want[:2], "\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzConsole: no output of a guest causes a panic or unbounded memory.
func FuzzConsole(f *testing.F) {
	f.Add("[\x1b[0;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mx\x1b[0m.\r\n", "login: \r\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		c := &console{want: expect("login:", "again"), clock: still}
		for range 40 {
			if c.add(a) != "" || len(c.want) == 0 || c.add(b) != "" || len(c.want) == 0 {
				break
			}
		}
		if len(c.failed) > maxFailed || len(c.recent()) > shown {
			t.Errorf("%d failures, %d lines", len(c.failed), len(c.recent()))
		}
	})
}
