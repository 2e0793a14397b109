// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/words"
)

// Display shows the events of a build. show may be called concurrently; close
// leaves the terminal as it should be, and may be called again.
type Display interface {
	Show(progress.Event)
	Close()
}

// Quiet shows nothing.
type Quiet struct{}

// Show implements Display.
func (Quiet) Show(progress.Event) {}

// Close implements Display.
func (Quiet) Close() {}

// plain writes lines that a log can be read by: each begins with the time of the
// day and its stage.
type plain struct {
	mu    sync.Mutex
	tally tally
	w     io.Writer
	last  map[string]time.Time // of progress lines
	pct   map[string]int64
}

// NewPlain is the display for a log.
func NewPlain(w io.Writer) Display { return newPlain(w) }

func newPlain(w io.Writer) *plain {
	return &plain{w: w, last: map[string]time.Time{}, pct: map[string]int64{}}
}

// progressEvery is how often plain output repeats how far something is.
const progressEvery = 10 * time.Second

// shownEvent is an event with all of its text fit to be shown: commands, their
// output and names of files are in it.
func shownEvent(e progress.Event) progress.Event {
	e.Stage, e.Unit = Printable(e.Stage), Printable(e.Unit)
	if e.Kind == progress.StepOutput {
		e.Text = Printable(e.Text) // with its blanks
	} else {
		e.Text = OneLine(e.Text)
	}
	return e
}

// Show implements Display.
func (d *plain) Show(e progress.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e = shownEvent(e)
	first := d.tally.end.IsZero()
	d.tally.count(e)
	if e.Kind == progress.Estimate && !first { // said once
		return
	}
	if line := d.line(e); line != "" {
		fmt.Fprintln(d.w, e.Time.Format(time.TimeOnly), line)
	}
}

// PlainText is how much of a command a line shows; all of it is in the
// declaration and the log.
const PlainText = 120

func (d *plain) line(e progress.Event) string {
	tag := tagOf(e.Stage)
	step := fmt.Sprintf("%d/%d ", e.Step, e.Steps)
	switch e.Kind {
	case progress.Begun:
		return fmt.Sprintf("build %s: %s, %s", e.Text, words.Count(e.Stages, "stage"), words.Count(e.Steps, "step"))
	case progress.StageStarted:
		if d.tally.stages > 0 {
			return fmt.Sprintf("%sstage %d of %d, %s", tag, len(d.tally.seen), d.tally.stages, words.Count(e.Steps, "step"))
		}
	case progress.StepCached:
		return tag + step + "cached: " + terminal.Cut(OneLine(e.Text), PlainText)
	case progress.StepStarted:
		return tag + step + terminal.Cut(OneLine(e.Text), PlainText)
	case progress.StepDone:
		return tag + step + "done in " + seconds(e.Seconds)
	case progress.StepOutput:
		return tag + "  | " + e.Text
	case progress.StageDone:
		if e.Done == 0 {
			return tag + "nothing to do"
		}
		return tag + "stage done in " + seconds(e.Seconds)
	case progress.Note:
		return tag + Printable(e.Text)
	case progress.Estimate:
		about := map[bool]string{true: "at least ", false: "about "}[e.AtLeast]
		return "expected to take " + about + seconds(e.Seconds) + ", until " + e.ExpectedEnd.Local().Format(time.TimeOnly)
	case progress.Progress:
		id := e.Stage + "\x00" + e.Text
		if d.last[id].IsZero() {
			d.last[id] = e.Time // what is over soon is not worth a line in between
		}
		done := e.Total > 0 && e.Done >= e.Total
		if done && d.pct[id] == e.Total || !done && e.Time.Sub(d.last[id]) < progressEvery {
			return ""
		}
		d.last[id] = e.Time
		if done {
			d.pct[id] = e.Total
		}
		return tag + e.Text + ": " + amount(e.Done, e.Total, e.Unit)
	}
	return ""
}

// Close implements Display.
func (d *plain) Close() {}

func seconds(s float64) string {
	if s >= 60 {
		return fmt.Sprintf("%dm%02ds", int(s)/60, int(s)%60)
	}
	return fmt.Sprintf("%.1fs", s)
}

// amount is how much of a total is done, in bytes or another unit.
func amount(done, total int64, unit string) string {
	if unit == "" {
		if total <= 0 {
			return bytesize.Format(done)
		}
		return fmt.Sprintf("%s (%d %%)", part(done, total, unit), done*100/total)
	}
	if total <= 0 {
		return fmt.Sprintf("%d %s", done, unit)
	}
	return fmt.Sprintf("%s (%d %%)", part(done, total, unit), done*100/total)
}

// part is how much of a total is done, without the percentage.
func part(done, total int64, unit string) string {
	if unit == "" {
		return bytesize.Format(done) + " of " + bytesize.Format(total)
	}
	return fmt.Sprintf("%d of %s", done, whole(total, unit))
}

// whole is all of something that is done.
func whole(total int64, unit string) string {
	if unit == "" {
		return bytesize.Format(total)
	}
	return words.Count(int(total), strings.TrimSuffix(unit, "s"))
}
