// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// AddWritten adds what was written for the disks.
func AddWritten(s *render.Summary, disks []DiskOutputs, images []*compose.DiskImage) {
	for i, p := range disks {
		for _, o := range p.Outs {
			s.Outs = append(s.Outs, o.Path)
			for _, f := range history.OutputsOf(p.Disk.ID, o) {
				s.Files = append(s.Files, render.WrittenFile{
					Path: shownPath(f.Path, o), Disk: p.Disk.ID, Format: f.Format,
					OnDisk: allocated(f.Path), Virtual: images[i].Layout.Image.Size(), SHA256: images[i].Sums[f.Path],
				})
			}
		}
	}
}

// shownPath is the name of an output's file as a user would write it: the output's
// own name, or a path beside it.
func shownPath(path string, o disk.Output) string {
	for _, name := range o.Files() {
		if sameFile(name, path) {
			return name
		}
	}
	return path
}

// calledAs is how a user calls this program again: by its name if a shell finds it, or
// as it was called.
func calledAs() string {
	if _, err := exec.LookPath("carosbuild"); err == nil || len(os.Args) == 0 {
		return "carosbuild"
	}
	return render.QuoteArg(os.Args[0])
}

// ShowSummary prints a table for people and, if results is not a terminal, the lines
// for scripts there, one name per line.
func ShowSummary(a *cli.App, s *render.Summary, results io.Writer) error {
	s.Program = calledAs()
	out, isFile := results.(*os.File)
	tty := isFile && term.IsTerminal(int(out.Fd()))
	switch {
	case a.AsJSON():
		for _, e := range SummaryEvents(s) {
			a.Event(e)
		}
	case a.Progress == "quiet":
	case tty:
		width, _, err := term.GetSize(int(out.Fd()))
		if err != nil {
			width = 80
		}
		return s.Print(out, width)
	default:
		width := 0
		if f, ok := a.Stderr.(*os.File); ok {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil {
				width = n
			}
		}
		if err := s.Print(a.Stderr, width); err != nil {
			return err
		}
	}
	for _, name := range s.Targets {
		fmt.Fprintln(results, name)
	}
	for _, path := range s.Outs {
		fmt.Fprintln(results, path)
	}
	return nil
}

// SummaryEvents are the events that say what a run came to.
func SummaryEvents(s *render.Summary) []render.Event {
	var all []render.Event
	now := time.Now()
	for _, name := range s.Targets {
		all = append(all, render.Event{Event: progress.Event{Time: now, Kind: render.ImageEvent, Text: name}})
	}
	for _, f := range s.Files {
		all = append(all, render.Event{
			Event: progress.Event{Time: now, Kind: render.OutputEvent}, File: f.Path, Disk: f.Disk, Format: f.Format,
			OnDisk: f.OnDisk, Virtual: f.Virtual, SHA256: f.SHA256,
		})
	}
	return all
}

func sameFile(a, b string) bool {
	sa, aerr := os.Stat(a)
	sb, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(sa, sb)
}

// ResultStages are the targets that are results. Besides the stages whose trees are
// on the disks, disks use other stages, for instance those with a boot loader's
// programs.
func ResultStages(targets []string, disks []*decl.Disk) []string {
	if len(disks) == 0 {
		return targets
	}
	var out []string
	for _, id := range targets {
		if slices.ContainsFunc(disks, func(k *decl.Disk) bool {
			return k.Stage == id || slices.ContainsFunc(k.Partitions, func(p *decl.Partition) bool { return p.Stage == id })
		}) {
			out = append(out, id)
		}
	}
	return out
}
