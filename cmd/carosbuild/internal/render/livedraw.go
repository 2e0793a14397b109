// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// draw replaces the rows on the screen by the lines above and the present
// rows. No row is ever as wide as the terminal.
func (l *live) draw(now time.Time) {
	width, height := l.size()
	var b strings.Builder
	if n := l.screenLines(width); n > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", n)
	}
	b.WriteString("\r\x1b[J")
	for _, s := range l.above {
		b.WriteString(s + "\n")
	}
	l.above, l.drawn = nil, nil
	for _, s := range l.present(now, width, height) {
		b.WriteString(s + "\n")
		l.drawn = append(l.drawn, terminal.Width(s))
	}
	_, _ = io.WriteString(l.w, b.String()) // the terminal is gone
}

// screenLines is how many lines of the screen the rows take that were drawn
// last: a terminal that has become narrower since has folded them.
func (l *live) screenLines(width int) int {
	n := 0
	for _, w := range l.drawn {
		n += max(1, (w+width-1)/width)
	}
	return n
}

// present are the rows, as many as there is room for, and how far all is.
func (l *live) present(now time.Time, width, height int) []string {
	var out []string
	room := max(height-3, 1)
	for _, r := range l.rows[:min(len(l.rows), room)] {
		out = append(out, terminal.Cut(l.rowLine(r, now, width), width-1))
	}
	if l.tally.stages > 0 && height > 3 {
		out = append(out, terminal.Cut(l.paint(faint, "  "+l.tally.line(now, width-3)), width-1))
	}
	return out
}

const barWidth = 24

func (l *live) rowLine(r *row, now time.Time, width int) string {
	head := l.paint(cyan, "▸ ") + l.paint(faint, fmt.Sprintf("%*s ", timeWidth, seconds(now.Sub(r.since).Seconds())))
	if r.bar {
		return head + r.progress(width)
	}
	text := fmt.Sprintf("%s%d/%d %s", tagOf(r.stage), r.step, r.steps, r.title)
	room := width - timeWidth - 6 // the mark, the time, and the blanks between
	if r.output == "" || room < 40 {
		return head + text
	}
	// The output gets what the command leaves, but half of the line if it needs that.
	half := max(room/2, room-terminal.Width(r.output)-2)
	return head + terminal.Cut(text, half) + l.paint(faint, "  "+r.output)
}

// progress is how far something is: a number first, which is never cut.
func (r *row) progress(width int) string {
	tag := tagOf(r.stage) + r.title
	if r.total <= 0 {
		return tag + " " + amount(r.done, r.total, r.unit)
	}
	s := fmt.Sprintf("%3d %% %s", r.done*100/r.total, tag)
	if width < 60 {
		return s
	}
	filled := int(r.done * barWidth / r.total)
	return s + " " + strings.Repeat("█", filled) + strings.Repeat("░", barWidth-filled) + " " + part(r.done, r.total, r.unit)
}
