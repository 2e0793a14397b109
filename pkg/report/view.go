// SPDX-License-Identifier: MPL-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// view is what the template shows. All text in it went through clean.
type view struct {
	Title      string
	Status     statusView
	Facts      []fact
	Sections   []section
	Failed     *failedView
	Chart      bool
	Ticks      []Tick
	Stages     []stageView
	Activities []rowView
	Slowest    []stepName
	Space      *spaceView
	Changes    *changesView
	Logs       []logView
	Files      []File
	Foot       string
}

type (
	fact       struct{ Name, Text string }
	section    struct{ ID, Name string }
	statusView struct{ Class, Mark, Text string }
	failedView struct{ Head, Step, How, Tail, Image string }
	stepName   struct{ Stage, Text, Took, Size string }
)

// rowView is a line of the chart.
type rowView struct {
	Text, Took string
	Bars       []Bar
	Ticks      []Tick
}

type stageView struct {
	rowView
	Name   string
	Status statusView
	Open   bool
	Steps  []stepView
}

type stepView struct {
	rowView
	N                       int
	Kind, Size, Class, Note string
}

type logView struct {
	Name, Size, Cut, Href, Text string
	Open                        bool
}

// clean is a text as one line of printable characters that XML may have.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0xfffe || r == 0xffff {
			return utf8.RuneError
		}
		return r
	}, terminal.Line(s))
}

// cleanLines is clean for each line.
func cleanLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return strings.Join(lines, "\n")
}

func newView(in Input) *view {
	r := in.Build
	v := &view{Title: clean(r.BuildID), Status: status(r.Status), Foot: clean(in.Foot)}
	v.facts(in)
	v.failed(r)
	v.times(r)
	v.Sections = append(v.Sections, section{"times", "Times"})
	if in.Space != nil || in.NoSpace != "" {
		v.Space = newSpaceView(in.Space, in.NoSpace)
		v.Sections = append(v.Sections, section{"space", "Space"})
	}
	if in.Changes != nil {
		v.Changes = newChangesView(in.Changes)
		v.Sections = append(v.Sections, section{"changes", "Changes"})
	}
	v.Sections = append(v.Sections, section{"logs", "Logs"})
	for _, l := range in.Logs {
		v.Logs = append(v.Logs, newLogView(l, r.Failed != nil && r.Failed.Stage == l.Stage))
	}
	for _, f := range in.Files {
		v.Files = append(v.Files, File{clean(f.Name), f.Href, clean(f.Text)})
	}
	return v
}

func (v *view) facts(in Input) {
	r := in.Build
	add := func(name, text string) {
		if text != "" {
			v.Facts = append(v.Facts, fact{clean(name), clean(text)})
		}
	}
	add("Declaration", strings.Join(namesOf(r), ", "))
	if !r.Start.IsZero() {
		add("Started", r.Start.In(in.Zone).Format("2 Jan 2006, 15:04 MST"))
		add("Took", Duration(r.End.Sub(r.Start).Seconds()))
	}
	steps, cached := 0, 0
	for _, s := range r.Stages {
		for _, p := range s.Steps {
			if steps++; p.Cached {
				cached++
			}
		}
	}
	add("Steps", fmt.Sprintf("%d, %d of them cached", steps, cached))
	for _, o := range r.Outputs {
		add("Disk "+o.Disk, fmt.Sprintf("%s, %s", o.Path[strings.LastIndexByte(o.Path, '/')+1:], bytesize.Format(o.Size)))
	}
	add("Built by", strings.TrimSpace("carosbuild "+r.Program))
}

func (v *view) failed(r *history.Report) {
	switch f := r.Failed; {
	case f != nil:
		how := f.Error
		if how == "" {
			how = fmt.Sprintf("exit status %d", f.Status)
		}
		v.Failed = &failedView{"Stage " + clean(f.Stage) + " failed", clean(f.Kind + " " + f.Text), clean(how), cleanLines(strings.Join(f.Tail, "\n")), clean(f.Image)}
	case r.Error != "":
		v.Failed = &failedView{Head: "The build failed", How: cleanLines(r.Error)}
	}
}

// Limits of what is unfolded at first, and of lists.
const (
	fewSteps     = 40
	mostSlowest  = 8
	slowestShare = 0.01 // of the build's time
)

func (v *view) times(r *history.Report) {
	sc := newScale(r)
	steps := 0
	for _, s := range r.Stages {
		steps += len(s.Steps)
		for _, p := range s.Steps {
			v.Chart = v.Chart || !p.Started.IsZero()
		}
	}
	if v.Chart {
		v.Ticks = sc.ticks()
	}
	type timed struct {
		stepName
		seconds float64
	}
	var slow []timed
	for _, s := range r.Stages {
		row := v.stage(s, sc)
		row.Open = s.Status == history.Failed || steps <= fewSteps && row.Status.Class != "cached"
		v.Stages = append(v.Stages, row)
		for _, p := range s.Steps {
			if !p.Cached && p.Seconds >= max(0.1, slowestShare*sc.span.Seconds()) {
				slow = append(slow, timed{stepName{Stage: clean(s.ID), Text: clean(p.Kind + " " + p.Text), Took: Duration(p.Seconds)}, p.Seconds})
			}
		}
	}
	slices.SortStableFunc(slow, func(a, b timed) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, s := range slow[:min(len(slow), mostSlowest)] {
		v.Slowest = append(v.Slowest, s.stepName)
	}
	for _, a := range r.Activities {
		if a.Stage != "" {
			continue
		}
		b := sc.bar(a.Started, a.Seconds)
		b.Class, b.Title = "activity", clean(a.Text)
		v.Activities = append(v.Activities, rowView{Text: clean(a.Text), Took: Duration(a.Seconds), Bars: []Bar{b}})
	}
}

func (v *view) stage(s history.StageReport, sc scale) stageView {
	row := stageView{Name: clean(s.ID), Status: status(s.Status)}
	row.Took, row.Ticks = Duration(s.Seconds), v.Ticks
	cached := 0
	for i, p := range s.Steps {
		step := stepView{N: i + 1, Kind: clean(p.Kind), Class: status(p.Status).Class}
		step.Text, step.Took = clean(p.Text), Duration(p.Seconds)
		if p.Size > 0 {
			step.Size = bytesize.Format(p.Size)
		}
		switch {
		case p.Cached:
			cached++
			step.Took = "cached"
		case p.Status == history.NotRun:
			step.Took = "not run"
		case p.Status != history.Done:
			step.Note = status(p.Status).Text
		}
		if b, ok := sc.stepBar(p); ok {
			b.Title = clean(fmt.Sprintf("%s %d: %s", s.ID, i+1, step.Took))
			step.Bars = []Bar{b}
			row.Bars = append(row.Bars, b)
		}
		row.Steps = append(row.Steps, step)
	}
	if len(s.Steps) > 0 && cached == len(s.Steps) {
		row.Status, row.Took = statusView{"cached", "•", "cached"}, "cached"
	}
	return row
}

func newLogView(l Log, open bool) logView {
	out := logView{Name: clean(l.Stage), Size: bytesize.Format(l.Size), Href: l.Href, Open: open}
	if int64(len(l.Text)) < l.Size {
		out.Cut = bytesize.Format(int64(len(l.Text)))
	}
	out.Text = logText(string(l.Text))
	return out
}

func status(s history.Status) statusView {
	switch s {
	case history.Done:
		return statusView{"done", "✓", "done"}
	case history.Failed:
		return statusView{"failed", "✗", "failed"}
	case history.Interrupted:
		return statusView{"interrupted", "◦", "interrupted"}
	}
	return statusView{"other", "·", clean(string(s))}
}
