// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/build"
)

// events are those of a small build.
func events() []build.Event {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	return []build.Event{
		{Time: at(1), Kind: build.StepCached, Stage: "base", Step: 1, Steps: 2, Text: "FROM debian:12"},
		{Time: at(1), Kind: build.StepStarted, Stage: "base", Step: 2, Steps: 2, Text: "RUN one &&\n\ttwo"},
		{Time: at(2), Kind: build.StepOutput, Stage: "base", Text: "evil \x1b[2J title"},
		{Time: at(3), Kind: build.Progress, Stage: "base", Text: "download packages", Done: 5 << 20, Total: 10 << 20},
		{Time: at(30), Kind: build.Progress, Stage: "base", Text: "download packages", Done: 7 << 20, Total: 10 << 20},
		{Time: at(31), Kind: build.Progress, Stage: "base", Text: "download packages", Done: 10 << 20, Total: 10 << 20},
		{Time: at(31), Kind: build.StepDone, Stage: "base", Step: 2, Steps: 2, Text: "RUN one", Seconds: 90},
		{Time: at(31), Kind: build.StageDone, Stage: "base", Seconds: 90, Done: 1},
		{Time: at(31), Kind: build.StageDone, Stage: "other"},
		{Time: at(32), Kind: build.Progress, Text: "read", Done: 5},
		{Time: at(32), Kind: build.ProgressEnd, Text: "read"},
		{Time: at(32), Kind: build.Note, Text: "a note"},
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	d := newPlain(&out)
	for _, e := range events() {
		d.show(e)
	}
	d.close()
	d.close()
	want := `[base] 1/2 cached: FROM debian:12
[base] 2/2 RUN one && two
[base]   | evil �[2J title
[base] download packages: 7.0 MiB of 10.0 MiB (70 %)
[base] download packages: 10.0 MiB of 10.0 MiB (100 %)
[base] 2/2 done in 1m30s
[base] stage done in 1m30s
[other] nothing to do
a note
`
	if diff := cmp.Diff(out.String(), want); diff != "" {
		t.Errorf("plain progress (-got +want):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	a := &app{stderr: &out, progress: "json", getenv: func(string) string { return "" }}
	d, err := a.newDisplay()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events() {
		d.show(e)
	}
	d.close()
	if got := strings.Count(out.String(), "\n"); got != len(events()) || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%d lines:\n%s", got, out.String())
	}
}

// The live view keeps what is done, draws nothing wider than the terminal, and
// may be closed twice.
func TestLive(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, func() (int, int) { return 40, 10 }, false)
	for _, e := range events()[:4] {
		l.show(e)
	}
	l.mu.Lock()
	l.draw(time.Unix(4, 0))
	shown := out.String()
	l.mu.Unlock()
	for _, want := range []string{"• [base] 1/2 FROM debian:12  cached", "▸ [base] 2/2 ", "download packages █"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the view lacks %q:\n%s", want, shown)
		}
	}
	for _, e := range events()[4:] {
		l.show(e)
	}
	l.close()
	l.close()
	for line := range strings.SplitSeq(out.String(), "\n") {
		line = strings.NewReplacer("\x1b[J", "", "\r", "", "\x1b[1A", "", "\x1b[2A", "").Replace(line)
		if n := len([]rune(line)); n >= 40 {
			t.Errorf("%d characters wide: %q", n, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("an escape sequence of the output came through: %q", line)
		}
	}
	if got := out.String(); !strings.Contains(got, "✔ [base] 2/2 RUN one  1m30s") || !strings.Contains(got, "! a note") {
		t.Errorf("the end:\n%s", got)
	}
	if len(l.rows) != 0 {
		t.Errorf("%d rows are left", len(l.rows))
	}
}
