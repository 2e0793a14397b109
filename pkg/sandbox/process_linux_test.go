// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		stat string
		want Process
		ok   bool
	}{
		{"7 (sh) S 5 6 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 99", Process{7, 5, 6, 3, 'S'}, true},
		{"7 (a) R 1 2) Z 5 6 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99", Process{7, 5, 6, 1, 'Z'}, true},
		{"7 (a\n) 9 T 5 6 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99", Process{}, false},
		{"7 (sh) S 5", Process{}, false},
		{"", Process{}, false},
	} {
		if got, ok := parseStat(7, tt.stat); ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.stat, got, ok)
		}
	}
}

// A shell with two children, one of which has a child.
func TestDescendants(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "sleep 60 & (sleep 60; true) & echo; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []Process
	defer func() {
		for _, p := range all {
			if child, err := os.FindProcess(p.PID); err == nil {
				_ = child.Kill()
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if all, err = Descendants(cmd.Process.Pid); err != nil || len(all) == 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	parents := map[int]int{}
	for _, p := range all {
		parents[p.Parent]++
	}
	if err != nil || len(all) != 3 || len(parents) != 2 || parents[cmd.Process.Pid] != 2 {
		t.Errorf("got %+v, %v", all, err)
	}
	done := make(chan struct{})
	if over := (Limits{PIDs: 2}).Watch(nil, done, cmd.Process.Pid); !strings.Contains(over, "more than 2 processes") {
		t.Errorf("exceeded: %q", over)
	}
	if over := (Limits{Memory: 1}).Watch(nil, done, cmd.Process.Pid); !strings.Contains(over, "more than 1 bytes") {
		t.Errorf("exceeded: %q", over)
	}
	time.AfterFunc(500*time.Millisecond, func() { close(done) })
	for _, l := range []Limits{{PIDs: 3, Memory: 1 << 30}, {}} {
		if over := l.Watch(nil, done, cmd.Process.Pid); over != "" {
			t.Errorf("exceeded: %q", over)
		}
	}
}
