// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/progress"
)

func line(kind progress.EventKind, stage string, step int, sec int64, text string) string {
	return fmt.Sprintf(`{"time":%q,"kind":%q,"stage":%q,"step":%d,"text":%q}`+"\n", at(sec).Format(time.RFC3339), kind, stage, step, text)
}

// now writes what is waiting.
func (l *EventLog) now() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

// texts are the texts of all events that are there.
func texts(t *testing.T, dir string) []string {
	t.Helper()
	r, err := OpenEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []string
	if err := r.Each(t.Context(), func(e *KeptEvent) error { out = append(out, e.Text); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEventsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	if _, err := OpenEvents(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no events: %v, want fs.ErrNotExist", err)
	}
	l, err := CreateEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{line(progress.Note, "", 0, 1, "a"), "no event\n", "{}\n", line(progress.Note, "", 0, 2, "b\n\u200b")} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	}
	l.now()
	if got := texts(t, dir); !cmp.Equal(got, []string{"a", "b\n\u200b"}) {
		t.Errorf("%q", got)
	}
	st, err := os.Stat(filepath.Join(dir, EventsName))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	again, err := CreateEvents(dir) // a build with the same id, while that one runs
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), again.Close()); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, dir); got != nil {
		t.Errorf("%q is left of the one before", got)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("beside it: %v, %v", names, err)
	}
}

// TestEventsAreBounded: what comes when the file is full is left out as a whole.
func TestEventsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	one := line(progress.Note, "", 0, 1, "x")
	l.output, l.most = int64(2*len(one)), int64(3*len(one)+1)
	var room []bool
	for range 5 {
		room = append(room, l.Room())
		_, _ = l.Write([]byte(one))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, dir); len(got) != 3 || !cmp.Equal(room, []bool{true, true, false, false, false}) {
		t.Errorf("%d events, room %v", len(got), room)
	}
}

// TestEventsComeInTime: what nothing follows is there after a moment.
func TestEventsComeInTime(t *testing.T) {
	dir := t.TempDir()
	l, err := CreateEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, _ = l.Write([]byte(line(progress.Note, "", 0, 1, "x")))
	for range 100 {
		if len(texts(t, dir)) == 1 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("an event is not there after 5 seconds")
}

// TestLongLines: a line that is longer than an event can be is left out, and those
// around it are not.
func TestLongLines(t *testing.T) {
	dir := t.TempDir()
	text := line(progress.Note, "", 0, 1, "a") + line(progress.Note, "", 0, 1, strings.Repeat("y", maxEvent)) + line(progress.Note, "", 0, 1, strings.Repeat("z", 200<<10)) + "{\"kind\":"
	if err := os.WriteFile(filepath.Join(dir, EventsName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, dir); len(got) != 2 || got[0] != "a" || len(got[1]) != 200<<10 {
		t.Errorf("%d events", len(got))
	}
}

// TestFollow: who follows sees whole lines only, and ends with the build, also when that
// is killed.
func TestFollow(t *testing.T) {
	for _, ending := range []string{"end", "killed"} {
		t.Run(ending, func(t *testing.T) {
			dir := t.TempDir()
			l, err := CreateEvents(dir)
			if err != nil {
				t.Fatal(err)
			}
			r, err := OpenEvents(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			r.every = time.Millisecond
			if !r.Running() {
				t.Error("the build does not run")
			}
			var mu sync.Mutex
			var got []string
			idle := make(chan bool, 1000)
			done := make(chan error, 1)
			go func() {
				done <- r.Follow(t.Context(), func(e *KeptEvent) error {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, string(e.Kind)+e.Text)
					return nil
				}, func() error {
					select {
					case idle <- true:
					default:
					}
					return nil
				})
			}()
			select {
			case <-idle:
			case err := <-done:
				t.Fatalf("it ended before it waited: %v", err)
			}
			for _, part := range []string{line(progress.Note, "", 0, 1, "a"), `{"kind":"no`, `te","text":"b"}` + "\n"} {
				_, _ = l.Write([]byte(part))
				l.now()
				time.Sleep(5 * time.Millisecond)
			}
			select {
			case err := <-done:
				t.Fatalf("it ended too early: %v", err)
			default:
			}
			if ending == "end" {
				_, _ = l.Write([]byte(`{"kind":"end","exit_status":3}` + "\n"))
			} else if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it did not end")
			}
			want := []string{"notea", "noteb", "end"}
			if ending == "killed" {
				want = want[:2]
			}
			if !cmp.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if ending == "end" {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
			if r.Running() {
				t.Error("the build still runs")
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	l, err := CreateEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r, err := OpenEvents(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Follow(ctx, nil, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

func TestEventFilter(t *testing.T) {
	all := []KeptEvent{
		{Event: progress.Event{Time: at(1), Kind: progress.Begun}},
		{Event: progress.Event{Time: at(2), Kind: progress.StepStarted, Stage: "a", Step: 1, Text: "a1"}},
		{Event: progress.Event{Time: at(3), Kind: progress.StepStarted, Stage: "b", Step: 2, Text: "b2"}},
		{Event: progress.Event{Time: at(4), Kind: progress.StepOutput, Stage: "a", Text: "of a1"}},
		{Event: progress.Event{Time: at(5), Kind: progress.StepDone, Stage: "a", Step: 1, Text: "a1 done"}},
		{Event: progress.Event{Time: at(6), Kind: progress.StepStarted, Stage: "a", Step: 2, Text: "a2"}},
		{Event: progress.Event{Time: at(7), Kind: progress.StepOutput, Stage: "a", Text: "of a2"}},
		{Event: progress.Event{Time: at(8), Kind: errorKind, Stage: "a", Text: "a2 failed"}},
		{Event: progress.Event{Time: at(9), Kind: endKind, Text: "end"}},
	}
	for _, tt := range []struct {
		filter EventFilter
		want   []string
	}{
		{EventFilter{}, []string{"", "a1", "b2", "of a1", "a1 done", "a2", "of a2", "a2 failed", "end"}},
		{EventFilter{Stage: "a"}, []string{"a1", "of a1", "a1 done", "a2", "of a2", "a2 failed"}},
		{EventFilter{Stage: "a", Step: 1}, []string{"a1", "of a1", "a1 done"}},
		{EventFilter{Stage: "a", Step: 2, Since: at(7)}, []string{"of a2", "a2 failed"}},
		{EventFilter{Since: at(8)}, []string{"a2 failed", "end"}},
	} {
		var got []string
		for i := range all {
			if tt.filter.Takes(&all[i]) {
				got = append(got, all[i].Text)
			}
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%+v: got %q, want %q", tt.filter, got, tt.want)
		}
	}
}
