// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/doctor"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// printJSON prints the findings, if they were not printed line by line.
func (c *checkup) printJSON() error {
	if !c.json {
		return nil
	}
	e := json.NewEncoder(c.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(c.found)
}

// row prints a line of the table, folded if standard output is a terminal.
func (c *checkup) row(state, what, detail string) {
	if c.json {
		return
	}
	indent := 28
	first := fmt.Sprintf("%-8s %-18s ", state, what)
	if c.columns() < 60 && detail != "" { // below it, where there is more space
		fmt.Fprintln(c.Stdout, strings.TrimRight(first, " "))
		indent = 4
		first = strings.Repeat(" ", indent)
	}
	for _, l := range fold(render.Printable(detail), c.columns()-indent) {
		fmt.Fprintln(c.Stdout, strings.TrimRight(first+l, " "))
		first = strings.Repeat(" ", indent)
	}
}

// line prints a line of the table; with --json it is one of the checks.
func (c *checkup) line(state, what, detail string) {
	if c.json {
		c.found.Checks = append(c.found.Checks, check{state, what, detail})
		return
	}
	c.row(state, what, detail)
}

// columns is the width of the terminal, or more than the length of any line.
func (c *checkup) columns() int {
	if f, ok := c.Stdout.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= 20 {
			return n
		}
	}
	return 1 << 20
}

// fold breaks a text at blanks into lines of at most width columns if possible.
func fold(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case line == "":
			line = word
		case terminal.Width(line)+1+terminal.Width(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// need reports the result for something that every build needs.
func (c *checkup) need(what, detail string, err error) {
	if err == nil {
		c.line("ok", what, detail)
		return
	}
	failed := &remedy.Error{Tried: err.Error()}
	var host *remedy.Error
	if errors.As(err, &host) {
		failed = host
	}
	c.line("FAILED", what, failed.Tried)
	if c.failed == nil {
		c.failed = failed
	}
}

// lack reports something that some builds need. The remedy is a line of its own, which
// is not folded: it may be a command to be copied.
func (c *checkup) lack(what, detail, cure string) {
	if c.json {
		c.line("missing", what, detail+": "+cure)
		return
	}
	c.row("missing", what, detail)
	fmt.Fprintln(c.Stdout, "    remedy: "+render.Printable(cure))
}

// showAbilities prints the environment and the results. Related abilities with the
// same result share a line.
func (c *checkup) showAbilities() {
	c.row("", "place", c.found.Process.String())
	inside, ofRoot := doctor.InNamespace(), doctor.OfRoot()
	var works, unreached, roots []string
	for _, a := range c.found.Abilities {
		switch {
		case a.State == doctor.Works && slices.Contains(inside, a.Name):
			works = append(works, a.Name)
			continue
		case a.State == doctor.Works && slices.Contains(ofRoot, a.Name):
			roots = append(roots, a.Name)
			continue
		case a.State == doctor.Unknown:
			unreached = append(unreached, a.Name)
			continue
		case a.State == doctor.Refused && slices.Contains(ofRoot, a.Name) && c.found.Process.UID != 0:
			continue // the normal case
		}
		c.row(string(a.State), a.Name, a.Detail)
	}
	for _, group := range []struct {
		state doctor.State
		what  string
		names []string
	}{{doctor.Works, "in namespaces", works}, {doctor.Unknown, "not reached", unreached}, {doctor.Works, "superuser", roots}} {
		if len(group.names) > 0 {
			c.row(string(group.state), group.what, strings.Join(group.names, ", "))
		}
	}
}

// showSandboxes prints the ways of running steps.
func (c *checkup) showSandboxes() {
	for _, v := range c.found.Sandboxes {
		detail := v.Name + ", " + v.Cost
		if v.Detail != "" {
			detail += ", " + v.Detail
		}
		switch {
		case v.Works && v.Name == c.found.Chosen:
			c.row("ok", "sandbox", detail+": builds use it")
		case v.Works:
			c.row("ok", "sandbox", detail)
		default:
			c.row("no", "sandbox", detail+": "+v.Refused.Reason)
		}
	}
}

// showAdvice prints all changes for the next sandbox.
func (c *checkup) showAdvice(next doctor.Advice, ok bool) {
	if c.json || !ok {
		return
	}
	fmt.Fprintf(c.Stdout, "\nSandbox %s needs all of these changes:\n", next.Rung)
	for _, l := range next.Lines() {
		indent := strings.Repeat(" ", 2+len(l)-len(strings.TrimLeft(l, " ")))
		for i, part := range fold(render.Printable(strings.TrimSpace(l)), c.columns()-len(indent)-4) {
			if i > 0 {
				part = "    " + part
			}
			fmt.Fprintln(c.Stdout, indent+part)
		}
	}
}
