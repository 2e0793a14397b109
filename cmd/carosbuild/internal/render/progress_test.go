// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/progress"
)

// events are those of a small build.
func events() []progress.Event {
	at := func(s int) time.Time { return time.Unix(int64(s), 0).UTC() }
	return []progress.Event{
		{Time: at(0), Kind: progress.Begun, Text: "id", Stages: 3, Steps: 7},
		{Time: at(1), Kind: progress.StepCached, Stage: "base", Step: 1, Steps: 2, Text: "FROM debian:12"},
		{Time: at(1), Kind: progress.StepStarted, Stage: "base", Step: 2, Steps: 2, Text: "RUN one &&\n\ttwo"},
		{Time: at(2), Kind: progress.StepOutput, Stage: "base", Text: "evil \x1b[2J title"},
		{Time: at(3), Kind: progress.Progress, Stage: "base", Text: "download packages", Done: 5 << 20, Total: 10 << 20},
		{Time: at(30), Kind: progress.Progress, Stage: "base", Text: "download packages", Done: 7 << 20, Total: 10 << 20},
		{Time: at(31), Kind: progress.Progress, Stage: "base", Text: "download packages", Done: 10 << 20, Total: 10 << 20},
		{Time: at(31), Kind: progress.StepDone, Stage: "base", Step: 2, Steps: 2, Text: "RUN one", Seconds: 90},
		{Time: at(31), Kind: progress.StageDone, Stage: "base", Seconds: 90, Done: 1},
		{Time: at(31), Kind: progress.StageDone, Stage: "other"},
		{Time: at(32), Kind: progress.Progress, Text: "read", Done: 5},
		{Time: at(32), Kind: progress.ProgressEnd, Text: "read"},
		{Time: at(32), Kind: progress.Note, Text: "a note"},
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	d := newPlain(&out)
	for _, e := range events() {
		d.Show(e)
	}
	d.Close()
	d.Close()
	want := `00:00:00 build id: 3 stages, 7 steps
00:00:01 [base] 1/2 cached: FROM debian:12
00:00:01 [base] 2/2 RUN one && two
00:00:02 [base]   | evil �[2J title
00:00:30 [base] download packages: 7 MiB of 10 MiB (70 %)
00:00:31 [base] download packages: 10 MiB of 10 MiB (100 %)
00:00:31 [base] 2/2 done in 1m30s
00:00:31 [base] stage done in 1m30s
00:00:31 [other] nothing to do
00:00:32 a note
`
	if diff := cmp.Diff(out.String(), want); diff != "" {
		t.Errorf("plain progress (-got +want):\n%s", diff)
	}
}

// The live view keeps what is done, draws nothing wider than the terminal, and
// may be closed twice.
func TestLive(t *testing.T) {
	var out bytes.Buffer
	l := newLive(&out, func() (int, int) { return 40, 10 }, false)
	for _, e := range events()[:5] {
		l.Show(e)
	}
	l.mu.Lock()
	l.draw(time.Unix(4, 0))
	shown := out.String()
	l.mu.Unlock()
	for _, want := range []string{"• cached [base] 1/2 FROM debian:12\n", "▸   3.0s [base] 2/2 RUN one && two\n", "▸   1.0s  50 % [base] download packages\n", "stage 1 of 3, 1 of 7 steps, 4.0s\n"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the view lacks %q:\n%s", want, shown)
		}
	}
	for _, e := range events()[5:] {
		l.Show(e)
	}
	l.Close()
	l.Close()
	for line := range strings.SplitSeq(out.String(), "\n") {
		line = strings.NewReplacer("\x1b[J", "", "\r", "", "\x1b[1A", "", "\x1b[2A", "", "\x1b[3A", "").Replace(line)
		if n := len([]rune(line)); n >= 40 {
			t.Errorf("%d characters wide: %q", n, line)
		}
		if strings.Contains(line, "\x1b") {
			t.Errorf("an escape sequence of the output came through: %q", line)
		}
	}
	if got := out.String(); !strings.Contains(got, "✔  1m30s [base] 2/2 RUN one") || !strings.Contains(got, "! a note") {
		t.Errorf("the end:\n%s", got)
	}
	if len(l.rows) != 0 {
		t.Errorf("%d rows are left", len(l.rows))
	}
}
