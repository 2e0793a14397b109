// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// writtenFile is a file that a run has written.
type writtenFile struct {
	path            string // as it was asked for
	disk, format    string
	onDisk, virtual int64  // bytes: what it takes, and what the machine sees
	sha256          string // "" for a format that has none, see disk.WriteOptions
}

// summary is what a run came to.
type summary struct {
	build   string // id, "" where nothing was built
	stage   string // the name to push, BUILDID or BUILDID:STAGE
	took    time.Duration
	results bool // the declaration names artifacts
	ran     int  // steps
	cached  int
	files   []writtenFile
	targets []string // BUILDID:STAGE
	outs    []string // as they were asked for
}

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

// print writes the table, in lines of at most width columns as far as that can
// be; 0 is any width.
func (s *summary) print(w io.Writer, width int) error {
	if len(s.files) > 0 {
		if err := s.printFiles(w, width); err != nil {
			return err
		}
	} else if len(s.targets) > 0 {
		if _, err := fmt.Fprintln(w, strings.Join(s.targets, "\n")); err != nil {
			return err
		}
	}
	var parts []string
	if s.build != "" {
		parts = append(parts, "build "+s.build, plural(s.ran, "step")+" run", fmt.Sprintf("%d cached", s.cached))
	}
	parts = append(parts, seconds(s.took.Seconds()))
	if _, err := fmt.Fprintln(w, strings.Join(parts, ", ")); err != nil {
		return err
	}
	label := "next:"
	for _, line := range s.next() {
		if _, err := fmt.Fprintf(w, "%-6s%s\n", label, line); err != nil {
			return err
		}
		label = ""
	}
	return nil
}

func (s *summary) printFiles(w io.Writer, width int) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tON DISK\tVIRTUAL\tSHA256")
	for _, f := range s.files {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", printable(f.path), bytesize.Format(f.onDisk), bytesize.Format(f.virtual), orDash(f.sha256))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if width == 0 || widest(b.String()) < width {
		_, err := io.WriteString(w, b.String())
		return err
	}
	for _, f := range s.files {
		fmt.Fprintf(w, "%s\n  %s on disk, %s virtual\n", printable(f.path), bytesize.Format(f.onDisk), bytesize.Format(f.virtual))
		if f.sha256 != "" {
			if _, err := fmt.Fprintf(w, "  sha256 %s\n", f.sha256); err != nil {
				return err
			}
		}
	}
	return nil
}

func widest(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		n = max(n, len([]rune(strings.TrimRight(line, "\n"))))
	}
	return n
}

// next are commands for what was made.
func (s *summary) next() []string {
	var out []string
	for _, f := range s.files {
		if f.format != "" && !strings.HasSuffix(f.path, ".bmap") && !strings.HasPrefix(f.path, "/dev/") {
			out = append(out, "carosbuild boot "+quoteArg(f.path))
			break
		}
	}
	if s.results {
		out = append(out, "carosbuild results "+quoteArg(s.build)+" --to DIR")
	}
	if s.stage != "" {
		out = append(out, "carosbuild push "+quoteArg(s.stage)+" REGISTRY/REPOSITORY:TAG")
	}
	return out
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
