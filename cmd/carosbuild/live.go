// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/build"
)

// live is a view on a terminal: finished steps scroll up, below them stands a
// line for each running stage and for each download or disk that is written.
type live struct {
	w     io.Writer
	size  func() (width, height int)
	color bool

	mu    sync.Mutex
	rows  []*row
	above []string // lines to be printed above the rows
	drawn int      // rows on the screen
	start time.Time
	stop  chan struct{}
	ended sync.WaitGroup
	once  sync.Once
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

func newLive(w io.Writer, size func() (int, int), color bool) *live {
	l := &live{w: w, size: size, color: color, start: time.Now(), stop: make(chan struct{})}
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

func (l *live) close() {
	l.once.Do(func() {
		close(l.stop)
		l.ended.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.rows = nil
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

func (l *live) show(e build.Event) {
	e = shownEvent(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case build.StepStarted:
		r := l.find(e.Stage)
		if r == nil {
			r = &row{id: e.Stage, stage: e.Stage}
			l.rows = append(l.rows, r)
		}
		r.step, r.steps, r.title, r.output, r.since = e.Step, e.Steps, e.Text, "", e.Time
	case build.StepOutput:
		if r := l.find(e.Stage); r != nil && strings.TrimSpace(e.Text) != "" {
			r.output = oneLine(e.Text)
		}
	case build.StepDone:
		l.above = append(l.above, l.stepLine("✔", green, e, seconds(e.Seconds)))
	case build.StepCached:
		l.above = append(l.above, l.stepLine("•", faint, e, "cached"))
	case build.StageDone:
		l.drop(func(r *row) bool { return r.stage != e.Stage })
	case build.Note:
		l.above = append(l.above, l.paint(yellow, "! ")+e.Text)
	case build.Progress:
		l.progress(e)
	case build.ProgressEnd:
		l.drop(func(r *row) bool { return r.id != e.Stage+"\x00"+e.Text })
	}
}

func (l *live) progress(e build.Event) {
	id := e.Stage + "\x00" + e.Text
	r := l.find(id)
	if r == nil {
		r = &row{id: id, stage: e.Stage, title: e.Text, bar: true, since: e.Time}
		l.rows = append(l.rows, r)
	}
	r.done, r.total, r.unit = e.Done, e.Total, e.Unit
	if e.Total > 0 && e.Done >= e.Total {
		l.drop(func(x *row) bool { return x != r })
		tag := ""
		if e.Stage != "" {
			tag = "[" + e.Stage + "] "
		}
		l.above = append(l.above, l.paint(green, "✔ ")+tag+e.Text+"  "+l.paint(faint, whole(e.Total, e.Unit)+" in "+seconds(e.Time.Sub(r.since).Seconds())))
	}
}

func (l *live) stepLine(mark, sgr string, e build.Event, how string) string {
	return l.paint(sgr, mark+" ") + fmt.Sprintf("[%s] %d/%d %s  ", e.Stage, e.Step, e.Steps, e.Text) + l.paint(faint, how)
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

// draw replaces the rows on the screen by the lines above and the present
// rows. Nothing is ever wider than the terminal, so a row is a line.
func (l *live) draw(now time.Time) {
	width, height := l.size()
	var b strings.Builder
	if l.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", l.drawn)
	}
	b.WriteString("\r\x1b[J")
	for _, s := range l.above {
		b.WriteString(clip(s, width-1))
		b.WriteString("\n")
	}
	l.above = nil
	l.drawn = 0
	for _, r := range l.rows[:min(len(l.rows), max(height-2, 1))] {
		b.WriteString(clip(l.rowLine(r, now, width), width-1))
		b.WriteString("\n")
		l.drawn++
	}
	_, _ = io.WriteString(l.w, b.String()) // nobody to tell
}

const barWidth = 24

func (l *live) rowLine(r *row, now time.Time, width int) string {
	age := seconds(now.Sub(r.since).Seconds())
	tag := ""
	if r.stage != "" {
		tag = "[" + r.stage + "] "
	}
	if r.bar {
		filled := 0
		if r.total > 0 {
			filled = int(r.done * barWidth / r.total)
		}
		bar := strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled)
		return l.paint(cyan, "▸ ") + tag + r.title + " " + bar + " " + amount(r.done, r.total, r.unit)
	}
	head := fmt.Sprintf("%s%d/%d %s", tag, r.step, r.steps, r.title)
	room := width - 12 - len(age)
	if r.output == "" || room < 20 {
		return l.paint(cyan, "▸ ") + head + " " + l.paint(faint, age)
	}
	if n := max(room/2, room-len([]rune(r.output))); len([]rune(head)) > n {
		head = string([]rune(head)[:n-1]) + "…"
	}
	return l.paint(cyan, "▸ ") + head + " " + l.paint(faint, age+"  "+r.output)
}

// clip cuts a line to a number of characters; escape sequences do not count
// and are kept.
func clip(s string, width int) string {
	var b strings.Builder
	n, escape := 0, false
	for _, r := range s {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			if r == 'm' {
				escape = false
			}
		default:
			n++
			if n > width {
				continue
			}
		}
		b.WriteRune(r)
	}
	return b.String()
}
