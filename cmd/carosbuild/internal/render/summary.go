// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/words"
)

// Summary is what a run came to.
type Summary struct {
	Program string // how to call this program, "" for its name
	Build   string // id, "" where nothing was built
	Stage   string // the name to push, BUILDID or BUILDID:STAGE
	Took    time.Duration
	Results bool // the declaration names artifacts
	Ran     int  // steps
	Cached  int
	Files   []WrittenFile
	Targets []string // BUILDID:STAGE
	Outs    []string // as they were asked for
}

// WrittenFile is a file that a run has written.
type WrittenFile struct {
	Path            string // as it was asked for
	Disk, Format    string
	OnDisk, Virtual int64  // bytes: what it takes, and what the machine sees
	SHA256          string // "" for a format that has none, see disk.WriteOptions
}

// Print writes the table, in lines of at most width columns as far as that can
// be; 0 is any width.
func (s *Summary) Print(w io.Writer, width int) error {
	if len(s.Files) > 0 {
		if err := s.printFiles(w, width); err != nil {
			return err
		}
	} else if len(s.Targets) > 0 {
		if _, err := fmt.Fprintln(w, strings.Join(s.Targets, "\n")); err != nil {
			return err
		}
	}
	var parts []string
	if s.Build != "" {
		parts = append(parts, "build "+s.Build, words.Count(s.Ran, "step")+" run", fmt.Sprintf("%d cached", s.Cached))
	}
	parts = append(parts, seconds(s.Took.Seconds()))
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

func (s *Summary) printFiles(w io.Writer, width int) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tON DISK\tVIRTUAL\tSHA256")
	for _, f := range s.Files {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", Printable(f.Path), bytesize.Format(f.OnDisk), bytesize.Format(f.Virtual), OrDash(f.SHA256))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if width == 0 || widest(b.String()) < width {
		_, err := io.WriteString(w, b.String())
		return err
	}
	for _, f := range s.Files {
		fmt.Fprintf(w, "%s\n  %s on disk, %s virtual\n", Printable(f.Path), bytesize.Format(f.OnDisk), bytesize.Format(f.Virtual))
		if f.SHA256 != "" {
			if _, err := fmt.Fprintf(w, "  sha256 %s\n", f.SHA256); err != nil {
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
func (s *Summary) next() []string {
	program := s.Program
	if program == "" {
		program = "carosbuild"
	}
	var out []string
	for _, f := range s.Files {
		if f.Format != "" && !strings.HasSuffix(f.Path, ".bmap") && !strings.HasPrefix(f.Path, "/dev/") {
			out = append(out, program+" boot "+QuoteArg(f.Path))
			break
		}
	}
	if s.Results {
		out = append(out, program+" results "+QuoteArg(s.Build)+" --to DIR")
	}
	if s.Stage != "" {
		out = append(out, program+" push "+QuoteArg(s.Stage)+" REGISTRY/REPOSITORY:TAG")
	}
	return out
}
