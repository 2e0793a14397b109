// SPDX-License-Identifier: MPL-2.0

package report

import (
	"fmt"
	"time"

	"github.com/carosio/carosbuild/pkg/history"
)

// Bar is when something ran, in percents of the width of the chart.
type Bar struct {
	X, W  float64
	Class string // cached, done, failed, interrupted, other
	Title string
}

// Tick is a mark of the axis.
type Tick struct {
	X    float64 // percent
	Text string
}

// narrowest is the least width of a bar, in percent, so that it can be seen.
const narrowest = 0.4

// scale says where times are on the axis.
type scale struct {
	start time.Time
	span  time.Duration
}

// newScale is the axis of a build, from its beginning to the end of the last that ran.
func newScale(r *history.Report) scale {
	s := scale{start: r.Start, span: r.End.Sub(r.Start)}
	last := r.End
	see := func(start time.Time, seconds float64) {
		if start.IsZero() {
			return
		}
		if start.Before(s.start) {
			s.start = start
		}
		if end := start.Add(duration(seconds)); end.After(last) {
			last = end
		}
	}
	for _, st := range r.Stages {
		see(st.Started, st.Seconds)
		for _, p := range st.Steps {
			see(p.Started, p.Seconds)
		}
	}
	for _, a := range r.Activities {
		see(a.Started, a.Seconds)
	}
	s.span = max(last.Sub(s.start), time.Millisecond)
	return s
}

// longest is more than a build takes: of a report that somebody has changed, numbers stay
// within what can be drawn.
const longest = 10 * 365 * 24 * time.Hour

func duration(seconds float64) time.Duration {
	if !(seconds > 0) { // nor NaN
		return 0
	}
	return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
}

// bar is when something ran that began at a time.
func (s scale) bar(start time.Time, seconds float64) Bar {
	x := 100 * float64(start.Sub(s.start)) / float64(s.span)
	w := 100 * float64(duration(seconds)) / float64(s.span)
	x = min(max(x, 0), 100-narrowest)
	return Bar{X: x, W: min(max(w, narrowest), 100-x)}
}

// tickUnits are how far marks may be apart.
var tickUnits = []time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour,
}

// mostTicks is how many marks the axis has, so that there is room for their texts on a
// phone.
const mostTicks = 5

// ticks are the marks of the axis, after its beginning.
func (s scale) ticks() []Tick {
	unit := tickUnits[len(tickUnits)-1]
	for _, u := range tickUnits {
		if s.span/u <= mostTicks {
			unit = u
			break
		}
	}
	var out []Tick
	for at := unit; at <= s.span && len(out) <= mostTicks; at += unit {
		if x := 100 * float64(at) / float64(s.span); x <= 97 { // or its text would be cut off
			out = append(out, Tick{x, tickText(at)})
		}
	}
	return out
}

func tickText(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d min", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d:%02d h", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// stepBar is when a step ran, or that it was cached. Ok is false for one that did not run,
// and where a report by an older version does not tell.
func (s scale) stepBar(p history.StepReport) (b Bar, ok bool) {
	if p.Started.IsZero() || p.Status == history.NotRun {
		return Bar{}, false
	}
	b = s.bar(p.Started, p.Seconds)
	switch {
	case p.Cached:
		b.Class = "cached"
	case p.Status == history.Done, p.Status == history.Failed, p.Status == history.Interrupted:
		b.Class = string(p.Status)
	default:
		b.Class = "other"
	}
	return b, true
}

// Duration is seconds for people.
func Duration(s float64) string {
	switch {
	case s < 0.05:
		return "0 s"
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 59.5:
		return fmt.Sprintf("%.0f s", s)
	}
	n := int64(s + 0.5)
	if n < 3600 {
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	}
	return fmt.Sprintf("%d h %02d min", n/3600, n%3600/60)
}
