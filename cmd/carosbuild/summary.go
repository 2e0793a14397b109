// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
)

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

// writtenFile is a file that a run has written.
type writtenFile struct {
	path            string // as it was asked for
	disk, format    string
	onDisk, virtual int64  // bytes: what it takes, and what the machine sees
	sha256          string // "" for a format that has none, see disk.WriteOptions
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
