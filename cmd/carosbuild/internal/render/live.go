// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// live is a view on a terminal: finished steps scroll up, below them stands a
// line for each running stage and for each download or disk that is written, and
// a line for the progress of the whole build.
type live struct {
	w     io.Writer
	size  func() (width, height int)
	color bool

	mu    sync.Mutex
	rows  []*row
	above []string // lines to be printed above the rows
	drawn []int    // how wide each line on the screen is, in columns
	stop  chan struct{}
	ended sync.WaitGroup
	once  sync.Once
	tally tally
}

// tally is how far a build is.
type tally struct {
	begun         time.Time
	stages, steps int // 0 while it is not known that there is a build
	done          int // steps
	seen          map[string]bool
	end           time.Time // that is expected, or the zero time
	atLeast       bool      // it takes longer
}

func (t *tally) count(e progress.Event) {
	switch e.Kind {
	case progress.Begun:
		*t = tally{begun: e.Time, stages: e.Stages, steps: e.Steps, seen: map[string]bool{}}
	case progress.StepCached, progress.StepDone:
		t.done++
	case progress.Estimate:
		t.end, t.atLeast = e.ExpectedEnd, e.AtLeast
	}
	if t.seen != nil && e.Stage != "" {
		t.seen[e.Stage] = true
	}
}

// line is how far a build is, in at most width columns as far as that can be.
func (t *tally) line(now time.Time, width int) string {
	stages, steps, took, left := min(len(t.seen), t.stages), min(t.done, t.steps), seconds(now.Sub(t.begun).Seconds()), t.left(now)
	long := fmt.Sprintf("stage %d of %d, %d of %d steps, %s", stages, t.stages, steps, t.steps, took)
	if left == "" {
		return long
	}
	short := fmt.Sprintf("%d/%d steps, %s", steps, t.steps, left)
	for _, s := range []string{long + ", " + left, fmt.Sprintf("%d/%d stages, %s", stages, t.stages, short)} {
		if terminal.Width(s) <= width {
			return s
		}
	}
	return short
}

// left is how long the build is expected to go on, "" if that is not known.
func (t *tally) left(now time.Time) string {
	d := t.end.Sub(now)
	switch {
	case d < time.Second:
		return ""
	case t.atLeast:
		return "at least " + about(d) + " left"
	}
	return "about " + about(d) + " left"
}

// about is a duration in whole seconds, a longer one in minutes.
func about(d time.Duration) string {
	s := int64((d + time.Second - 1) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 5940: // 99 minutes
		return fmt.Sprintf("%dm", (s+30)/60)
	}
	return fmt.Sprintf("%dh%02dm", (s+30)/3600, (s+30)%3600/60)
}

// row is one line of the lower part.
type row struct {
	id          string
	stage       string
	step, steps int
	title       string
	output      string
	since       time.Time
	done, total int64
	unit        string
	bar         bool
}

const redrawEvery = 100 * time.Millisecond

// NewLive is the view on a terminal, of a size that may change.
func NewLive(w io.Writer, size func() (width, height int), color bool) Display {
	return newLive(w, size, color)
}

func newLive(w io.Writer, size func() (int, int), color bool) *live {
	l := &live{w: w, size: size, color: color, stop: make(chan struct{})}
	l.ended.Go(func() {
		t := time.NewTicker(redrawEvery)
		defer t.Stop()
		for {
			select {
			case now := <-t.C:
				l.mu.Lock()
				l.draw(now)
				l.mu.Unlock()
			case <-l.stop:
				return
			}
		}
	})
	return l
}

// Close implements Display.
func (l *live) Close() {
	l.once.Do(func() {
		close(l.stop)
		l.ended.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.rows, l.tally = nil, tally{}
		l.draw(time.Now())
	})
}

func (l *live) find(id string) *row {
	for _, r := range l.rows {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (l *live) drop(keep func(*row) bool) {
	rows := l.rows[:0]
	for _, r := range l.rows {
		if keep(r) {
			rows = append(rows, r)
		}
	}
	l.rows = rows
}

// Show implements Display.
func (l *live) Show(e progress.Event) {
	e = shownEvent(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.count(e)
	switch e.Kind {
	case progress.StepStarted:
		r := l.find(e.Stage)
		if r == nil {
			r = &row{id: e.Stage, stage: e.Stage}
			l.rows = append(l.rows, r)
		}
		r.step, r.steps, r.title, r.output, r.since = e.Step, e.Steps, e.Text, "", e.Time
	case progress.StepOutput:
		if r := l.find(e.Stage); r != nil && strings.TrimSpace(e.Text) != "" {
			r.output = OneLine(e.Text)
		}
	case progress.StepDone:
		l.above = append(l.above, l.stepLine("✔", green, e, seconds(e.Seconds)))
	case progress.StepCached:
		l.above = append(l.above, l.stepLine("•", faint, e, "cached"))
	case progress.StageDone:
		l.drop(func(r *row) bool { return r.stage != e.Stage })
	case progress.Note:
		mark := l.paint(yellow, "! ")
		if e.Good {
			mark = l.paint(faint, "• ")
		}
		l.above = append(l.above, mark+Printable(e.Text))
	case progress.Progress:
		l.progress(e)
	case progress.ProgressEnd:
		l.drop(func(r *row) bool { return r.id != e.Stage+"\x00"+e.Text })
	}
}

func (l *live) progress(e progress.Event) {
	id := e.Stage + "\x00" + e.Text
	r := l.find(id)
	if r == nil {
		r = &row{id: id, stage: e.Stage, title: e.Text, bar: true, since: e.Time}
		l.rows = append(l.rows, r)
	}
	r.done, r.total, r.unit = e.Done, e.Total, e.Unit
	if e.Total > 0 && e.Done >= e.Total {
		l.drop(func(x *row) bool { return x != r })
		text := tagOf(e.Stage) + e.Text + "  " + l.paint(faint, whole(e.Total, e.Unit))
		l.above = append(l.above, l.doneLine("✔", green, seconds(e.Time.Sub(r.since).Seconds()), text))
	}
}

func (l *live) stepLine(mark, sgr string, e progress.Event, how string) string {
	return l.doneLine(mark, sgr, how, fmt.Sprintf("%s%d/%d %s", tagOf(e.Stage), e.Step, e.Steps, OneLine(e.Text)))
}

// doneLine is a line about what is over; how it was, or how long it took, stands
// before what may be cut.
func (l *live) doneLine(mark, sgr, how, text string) string {
	width, _ := l.size()
	return terminal.Cut(l.paint(sgr, mark+" ")+l.paint(faint, fmt.Sprintf("%*s ", timeWidth, how))+text, width-1)
}

// timeWidth is how wide a time, or the word cached, is.
const timeWidth = 6

func tagOf(stage string) string {
	if stage == "" {
		return ""
	}
	return "[" + stage + "] "
}

const (
	green  = "32"
	yellow = "33"
	cyan   = "36"
	faint  = "2"
)

func (l *live) paint(sgr, s string) string {
	if !l.color {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}
