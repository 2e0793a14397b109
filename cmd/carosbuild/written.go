// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// written fills in what was written of the disks.
func (s *summary) written(disks []diskOutputs, images []*compose.DiskImage) {
	for i, p := range disks {
		for _, o := range p.outs {
			s.outs = append(s.outs, o.Path)
			for _, f := range history.OutputsOf(p.disk.ID, o) {
				s.files = append(s.files, writtenFile{
					path: shownPath(f.Path, o), disk: p.disk.ID, format: f.Format,
					onDisk: allocated(f.Path), virtual: images[i].Layout.Image.Size(), sha256: images[i].Sums[f.Path],
				})
			}
		}
	}
}

// shownPath is a file of an output as somebody would write it: the output's own
// name, or what lies beside it.
func shownPath(path string, o disk.Output) string {
	for _, name := range o.Files() {
		if sameFile(name, path) {
			return name
		}
	}
	return path
}

// showSummary prints the table where a person reads, and what a script wants to
// know, one name a line, in results where that is not a terminal.
func (a *app) showSummary(s *summary, results io.Writer) error {
	out, isFile := results.(*os.File)
	tty := isFile && term.IsTerminal(int(out.Fd()))
	switch {
	case a.asJSON():
		a.summaryEvents(s)
	case a.progress == "quiet":
	case tty:
		width, _, err := term.GetSize(int(out.Fd()))
		if err != nil {
			width = 80
		}
		return s.print(out, width)
	default:
		width := 0
		if f, ok := a.stderr.(*os.File); ok {
			if n, _, err := term.GetSize(int(f.Fd())); err == nil {
				width = n
			}
		}
		if err := s.print(a.stderr, width); err != nil {
			return err
		}
	}
	for _, name := range s.targets {
		fmt.Fprintln(results, name)
	}
	for _, path := range s.outs {
		fmt.Fprintln(results, path)
	}
	return nil
}

func (a *app) summaryEvents(s *summary) {
	for _, name := range s.targets {
		a.event(jsonEvent{Event: progress.Event{Kind: imageEvent, Text: name}})
	}
	for _, f := range s.files {
		a.event(jsonEvent{
			Event: progress.Event{Kind: outputEvent}, File: f.path, Disk: f.disk, Format: f.format,
			OnDisk: f.onDisk, Virtual: f.virtual, SHA256: f.sha256,
		})
	}
}

func sameFile(a, b string) bool {
	sa, aerr := os.Stat(a)
	sb, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(sa, sb)
}

// resultStages are the targets that are results. Beside the stages whose trees are on
// the disks, disks have helpers, such as those with a boot loader's programs.
func resultStages(targets []string, disks []*decl.Disk) []string {
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
