// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// TestLeft: what is left is never cut off, and nothing is said of what is not known.
func TestLeft(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		left    time.Duration // zero: not known
		atLeast bool
		width   int
		want    string
	}{
		{0, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s"},
		{90 * time.Second, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s, about 1m30s left"},
		{90 * time.Second, true, 80, "stage 1 of 4, 2 of 9 steps, 10.0s, at least 1m30s left"},
		{90 * time.Second, true, 42, "1/4 stages, 2/9 steps, at least 1m30s left"},
		{90 * time.Second, true, 41, "2/9 steps, at least 1m30s left"},
		{-time.Second, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s"}, // it takes longer than expected
		{time.Hour, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s, about 60m left"},
		{100 * time.Minute, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s, about 1h40m left"},
		{1500 * time.Millisecond, false, 80, "stage 1 of 4, 2 of 9 steps, 10.0s, about 2s left"},
	} {
		var y tally
		y.count(progress.Event{Time: now.Add(-10 * time.Second), Kind: progress.Begun, Stages: 4, Steps: 9})
		for range 2 {
			y.count(progress.Event{Kind: progress.StepDone, Stage: "a"})
		}
		if tt.left != 0 {
			y.count(progress.Event{Kind: progress.Estimate, ExpectedEnd: now.Add(tt.left), AtLeast: tt.atLeast})
		}
		if got := y.line(now, tt.width); got != tt.want || tt.left != 0 && terminal.Width(got) > tt.width {
			t.Errorf("%s left, %d columns: got %q, want %q", tt.left, tt.width, got, tt.want)
		}
	}
}

// TestPlainEstimate: a log says once how long the build is going to take.
func TestPlainEstimate(t *testing.T) {
	var b bytes.Buffer
	d := NewPlain(&b)
	end := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for range 3 {
		d.Show(progress.Event{Time: end.Add(-time.Minute), Kind: progress.Estimate, Seconds: 62, ExpectedEnd: end, AtLeast: true})
	}
	if want := "03:03:05 expected to take at least 1m02s, until 03:04:05\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// failingWriter is a pipe that nobody reads.
type failingWriter struct{}

var errPipe = errors.New("broken pipe")

func (failingWriter) Write([]byte) (int, error) { return 0, errPipe }

func TestEventLines(t *testing.T) {
	var b bytes.Buffer
	l := NewEventLines(&b)
	status := 1
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	for _, e := range []Event{
		{Event: progress.Event{Kind: progress.StepOutput, Stage: "a\x1b", Text: "x\x1b[2J"}},
		{Event: progress.Event{Kind: ImageEvent, Text: "id:a\n"}},
		{Event: progress.Event{Kind: OutputEvent}, File: "x\r.vmdk", OnDisk: 2048},
		{Event: progress.Event{Kind: ErrorEvent, Stage: "a", Text: "no\nway"}, Hint: "do\x07 that"},
		{Event: progress.Event{Kind: ErrorEvent, Text: "hm"}, Warning: true},
		{Event: progress.Event{Kind: EndEvent, Seconds: 61}, Exit: &status},
		{Event: progress.Event{Kind: "of a later version", Text: "unknown"}},
	} {
		var line bytes.Buffer
		e.Time = at
		WriteEvent(&line, e)
		if err := l.Print(line.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Print([]byte("no event\n")); err != nil {
		t.Error(err)
	}
	const want = `03:04:05 [a�]   | x�[2J
03:04:05 stored as id:a 
03:04:05 wrote x�.vmdk: 2 KiB on disk
03:04:05 [a] error: no way; remedy: do� that
03:04:05 warning: hm
03:04:05 build ended with exit status 1 after 1m01s
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if err := NewEventLines(failingWriter{}).Print([]byte(`{"kind":"end","exit_status":0}`)); !errors.Is(err, errPipe) {
		t.Errorf("a pipe that nobody reads: %v", err)
	}
}

func TestLogFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.log")
	if err := LogFile(t.Context(), &bytes.Buffer{}, name, "a"); err != nil {
		t.Errorf("no log: %v", err)
	}
	long := strings.Repeat("y", 100<<10)
	if err := os.WriteFile(name, []byte("==> RUN x\r\n\x1b]0;t\x07\xff\n"+long+"\nno end"), 0o600); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := LogFile(t.Context(), &b, name, "a"); err != nil {
		t.Fatal(err)
	}
	want := "[a] ==> RUN x\n[a] �]0;t��\n[a] " + long[:64<<10] + "\n[a] " + long[64<<10:] + "\n[a] no end\n"
	if b.String() != want {
		t.Errorf("got %.200q", b.String())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := LogFile(gone, &b, name, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
