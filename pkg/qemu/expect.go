// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Expectation is a text that a guest must print on its console.
type Expectation struct {
	Pattern *regexp.Regexp
	// Within bounds the wait, counted from the previous match; 0 means as long as
	// ctx lasts. The bound is for a machine that runs at full speed: time in which
	// QEMU had no processor does not count, and a console that keeps printing gets
	// up to three times as long. In any case the wait ends at ten times the bound by
	// the host's clock.
	Within time.Duration
}

// ConsoleError says that a guest did not print an expected text.
type ConsoleError struct {
	Waited  string // the pattern
	Reason  string
	Failed  []string // messages of the guest about what did not start
	Console []string // the last lines
}

func (e *ConsoleError) Error() string {
	s := fmt.Sprintf("the console did not show %q: %s", e.Waited, e.Reason)
	if len(e.Failed) > 0 {
		s += "\nwhat failed, as the console says:"
	}
	for _, f := range e.Failed {
		s += "\n" + f
	}
	return s
}

// hopeless matches messages with which firmware, boot loaders, kernels and initrds
// give up.
var hopeless = lazyregexp.New(`Kernel panic - not syncing|You are in emergency mode|ALERT!.*does not exist|error: no such (device|partition)|` +
	`No bootable device|Failed to load image|Entering rescue mode|UEFI Interactive Shell|No init found|Unable to mount root fs|` +
	`Target filesystem doesn't have requested|### ERROR ### Please RESET|systemd\[1\]: Freezing execution`)

// escapes are terminal control sequences (ECMA-48).
var escapes = lazyregexp.New("\x1b(\\[[0-9;?=]*[ -/]*[@-~]|[@-Z\\\\-_])")

// Expect runs the machine until its console has shown all expected texts, in order,
// and then ends it. Lines receives each line of the console, without control
// sequences, and may be nil. The error is a ConsoleError if the machine ends, gives
// up or takes too long before that. If the deadline of ctx has a cause
// (context.WithTimeoutCause), the error names it.
func (s Session) Expect(ctx context.Context, want []Expectation, lines func(string)) (Spent, error) {
	if len(want) == 0 {
		return Spent{}, errors.New("no text on the console is expected")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return Spent{}, err
	}
	watch := newStopwatch(time.Now())
	pid := make(chan int, 1)
	log := s.Console
	s.Console, s.Stdin, s.Terminal, s.started = w, nil, false, func(p int) { pid <- p }
	ended := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		w.Close()
		ended <- err
	}()
	c := &console{want: want, lines: lines, log: log, tick: sample, clock: func() Spent {
		select {
		case watch.pid = <-pid:
		default:
		}
		return watch.read(time.Now())
	}}
	reason := c.watch(ctx, r)
	met := len(c.want) == 0
	spent := c.clock()
	cancel()
	err = <-ended
	r.Close()
	switch {
	case met:
		return spent, nil
	case c.fault != nil:
		return spent, c.fault
	case err != nil:
		return spent, err
	}
	return spent, &ConsoleError{c.want[0].Pattern.String(), reason, c.failed, c.recent()}
}

// console looks for the expected texts in the output.
type console struct {
	want    []Expectation
	lines   func(string)
	log     io.Writer
	clock   func() Spent
	tick    time.Duration // how long to wait for output before the clock is checked
	begun   Spent         // when the wait for the first of want began
	printed Spent         // when the last line ended
	last    []string      // lines
	failed  []string
	line    string // the unfinished line
	fault   error  // an error on this side, not of the guest
	met     string // the beginning of line that has already matched
}

// shown is the number of lines that are kept for an error.
const shown = 30

// watch reads until all texts were found, or returns why they were not.
func (c *console) watch(ctx context.Context, r *os.File) string {
	b := make([]byte, 16<<10)
	for len(c.want) > 0 {
		deadline := time.Now().Add(c.tick)
		if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
			deadline = d
		}
		if err := r.SetReadDeadline(deadline); err != nil {
			c.fault = fmt.Errorf("read the console: %w", err)
			return ""
		}
		n, err := r.Read(b)
		if c.log != nil {
			if _, err := c.log.Write(b[:n]); err != nil {
				c.fault = fmt.Errorf("write the output of the console: %w", err)
				return ""
			}
		}
		if n > 0 {
			if why := c.add(string(b[:n])); why != "" {
				return why
			}
		}
		switch {
		case len(c.want) == 0:
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return "the machine ended"
		default:
			if why := c.over(ctx); why != "" {
				return why
			}
		}
	}
	return ""
}

// over says why to stop waiting, or "" if there is time left.
func (c *console) over(ctx context.Context) string {
	now := c.clock()
	why := patience{c.want[0].Within, c.begun, c.printed}.over(now)
	d, ok := ctx.Deadline()
	switch {
	case why != "":
		return why
	case ok && !time.Now().Before(d):
		<-ctx.Done()
		return fmt.Sprintf("not within %s (%v)%s", round(now.since(c.begun).Wall), context.Cause(ctx), now.since(c.begun).slow())
	case ctx.Err() != nil:
		return "interrupted"
	}
	return ""
}

// add adds output. It returns the reason to give up, or "".
func (c *console) add(text string) string {
	c.line += text
	for {
		line, rest, whole := strings.Cut(c.line, "\n")
		clean := strings.TrimRight(escapes().ReplaceAllString(line, ""), "\r")
		if i := strings.LastIndexByte(clean, '\r'); i >= 0 {
			clean = clean[i+1:]
		}
		c.match(clean)
		if len(c.want) == 0 {
			c.line = clean
			if c.lines != nil { // as far as it was printed
				c.lines(clean)
			}
			return ""
		}
		if hopeless().MatchString(clean) {
			c.line = line
			return clean
		}
		if !whole {
			if len(c.line) > 64<<10 {
				c.line = c.line[len(c.line)-32<<10:]
			}
			return ""
		}
		c.line, c.met = rest, ""
		c.printed = c.clock()
		c.noteFailure(clean)
		c.last = append(c.last, clean)
		if len(c.last) > 2*shown {
			c.last = slices.Delete(c.last, 0, len(c.last)-shown)
		}
		if c.lines != nil {
			c.lines(clean)
		}
	}
}

// match removes from want what the line matches. The search for the next text
// begins after the match, so that one prompt does not match twice.
func (c *console) match(line string) {
	if !strings.HasPrefix(line, c.met) {
		c.met = "" // the line was overwritten
	}
	for len(c.want) > 0 {
		end := -1
		for _, at := range c.want[0].Pattern.FindAllStringIndex(line, -1) {
			if at[0] >= len(c.met) {
				end = at[1]
				break
			}
		}
		if end < 0 {
			return
		}
		c.want, c.begun, c.met = c.want[1:], c.clock(), line[:end]
	}
}

// recent are the last lines.
func (c *console) recent() []string {
	all := c.last
	if clean := escapes().ReplaceAllString(c.line, ""); strings.TrimSpace(clean) != "" {
		all = append(slices.Clone(all), clean)
	}
	return all[max(0, len(all)-shown):]
}
