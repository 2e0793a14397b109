// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
)

// Expectation is what a guest must print on its console.
type Expectation struct {
	Pattern *regexp.Regexp
	Within  time.Duration // after the one before it was met; 0 means as long as ctx lasts
}

// ConsoleError says that a guest did not print what it should.
type ConsoleError struct {
	Waited  string // the pattern
	Reason  string
	Console []string // the last lines
}

func (e *ConsoleError) Error() string {
	return fmt.Sprintf("the console did not show %q: %s", e.Waited, e.Reason)
}

// hopeless are signs after which nothing good comes: firmware, boot loaders,
// kernels and initrds that have given up.
var hopeless = regexp.MustCompile(`Kernel panic - not syncing|You are in emergency mode|ALERT!.*does not exist|error: no such (device|partition)|` +
	`No bootable device|Failed to load image|Entering rescue mode|UEFI Interactive Shell|No init found|Unable to mount root fs|` +
	`Target filesystem doesn't have requested|### ERROR ### Please RESET`)

// escapes are terminal control sequences (ECMA-48).
var escapes = regexp.MustCompile("\x1b(\\[[0-9;?=]*[ -/]*[@-~]|[@-Z\\\\-_])")

// Expect runs the machine until its console has shown all that is expected, in
// order, and then ends it. Lines receives each line of the console, without
// control sequences, and may be nil. The error is a ConsoleError when the
// machine ends, gives up or takes too long before that.
func (s Session) Expect(ctx context.Context, want []Expectation, lines func(string)) error {
	if len(want) == 0 {
		return errors.New("nothing is expected of the console")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	log := s.Console
	s.Console, s.Stdin, s.Terminal = w, nil, false
	ended := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		w.Close()
		ended <- err
	}()
	c := &console{want: want, lines: lines, log: log, begun: time.Now()}
	reason := c.watch(ctx, r)
	met := len(c.want) == 0
	cancel()
	err = <-ended
	r.Close()
	switch {
	case met:
		return nil
	case err != nil:
		return err
	}
	return &ConsoleError{c.want[0].Pattern.String(), reason, c.recent()}
}

// console looks for what is expected in what is printed.
type console struct {
	want  []Expectation
	lines func(string)
	log   io.Writer
	begun time.Time
	last  []string // lines
	line  string   // that has no end yet
	met   string   // the beginning of it that has met something already
}

// shown is how many lines are kept for an error.
const shown = 30

// watch reads until all is met, or returns why it was not.
func (c *console) watch(ctx context.Context, r *os.File) string {
	b := make([]byte, 16<<10)
	for len(c.want) > 0 {
		deadline := time.Time{}
		if w := c.want[0].Within; w > 0 {
			deadline = c.begun.Add(w)
		}
		if d, ok := ctx.Deadline(); ok && (deadline.IsZero() || d.Before(deadline)) {
			deadline = d
		}
		if err := r.SetReadDeadline(deadline); err != nil {
			return err.Error()
		}
		n, err := r.Read(b)
		if c.log != nil {
			if _, e := c.log.Write(b[:n]); e != nil {
				return e.Error()
			}
		}
		if why := c.add(string(b[:n])); why != "" {
			return why
		}
		switch {
		case len(c.want) == 0 || err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "not within " + time.Since(c.begun).Round(time.Second).String()
		case ctx.Err() != nil:
			return "interrupted"
		default:
			return "the machine ended"
		}
	}
	return ""
}

// add takes what was printed; the result is why to give up, or "".
func (c *console) add(text string) string {
	c.line += text
	for {
		line, rest, whole := strings.Cut(c.line, "\n")
		clean := strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r")
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
		if hopeless.MatchString(clean) {
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
		c.last = append(c.last, clean)
		if len(c.last) > 2*shown {
			c.last = slices.Delete(c.last, 0, len(c.last)-shown)
		}
		if c.lines != nil {
			c.lines(clean)
		}
	}
}

// match takes from want what the line meets. What was met ends where the search
// for the next begins, so that one prompt does not count for two.
func (c *console) match(line string) {
	if !strings.HasPrefix(line, c.met) {
		c.met = "" // the line was written anew
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
		c.want, c.begun, c.met = c.want[1:], time.Now(), line[:end]
	}
}

// recent are the last lines.
func (c *console) recent() []string {
	all := c.last
	if clean := escapes.ReplaceAllString(c.line, ""); strings.TrimSpace(clean) != "" {
		all = append(slices.Clone(all), clean)
	}
	return all[max(0, len(all)-shown):]
}
