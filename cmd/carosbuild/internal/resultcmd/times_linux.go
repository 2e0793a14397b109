// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/report"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/words"
)

// printTimes prints how long stages and steps took.
func printTimes(w io.Writer, r *history.Report) error {
	width := 0
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = n
		}
	}
	var err error
	line := func(took, size, text string) {
		s := fmt.Sprintf("%13s  %9s  %s", took, size, text)
		if width > 0 {
			s = terminal.Cut(s, width-1)
		}
		if _, e := fmt.Fprintln(w, s); err == nil {
			err = e
		}
	}
	line("TIME", "SIZE", "STAGE AND STEP")
	steps, cached := 0, 0
	for _, s := range r.Stages {
		line(report.Duration(s.Seconds), bytesize.Format(s.Size), render.Printable(s.ID)+statusNote(s.Status))
		for i, p := range s.Steps {
			if steps++; p.Cached {
				cached++
			}
			size := ""
			if p.Size > 0 {
				size = "+" + bytesize.Format(p.Size)
			}
			line(stepTime(p), size, fmt.Sprintf("  %d/%d %s", i+1, len(s.Steps), render.OneLine(p.Kind+" "+p.Text)))
		}
	}
	for _, a := range r.Activities {
		if a.Stage == "" {
			line(report.Duration(a.Seconds), "", render.OneLine(a.Text))
		}
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "build %s%s: %s, %d cached, %s\n", render.Printable(r.BuildID), statusNote(r.Status), words.Count(steps, "step"), cached, report.Duration(r.End.Sub(r.Start).Seconds()))
	return err
}

func stepTime(p history.StepReport) string {
	switch {
	case p.Cached:
		return "cached"
	case p.Status == history.Skipped:
		return "skipped"
	case p.Status == history.NotRun:
		return "not run"
	}
	return report.Duration(p.Seconds)
}

// statusNote is a status that is worth a word.
func statusNote(s history.Status) string {
	if s == history.Done {
		return ""
	}
	return " (" + render.Printable(string(s)) + ")"
}
