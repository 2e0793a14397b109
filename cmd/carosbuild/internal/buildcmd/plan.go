// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/words"
)

// printPlan shows a plan on stdout, with what is deployed for the disks, by their ids.
func (c *buildCommand) printPlan(j *buildJob, deployed map[string][]string) error {
	if c.jsonPlan {
		enc := json.NewEncoder(c.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(j.plan.Redacted())
	}
	if c.whyOnly {
		return c.writeWhy(c.Stdout, j)
	}
	out := bufio.NewWriter(c.Stdout) // the table writer writes every cell for itself
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	cached, steps := 0, 0
	for _, s := range j.plan.Stages {
		from := ""
		if s.Parent != "" {
			from = "  from " + s.Parent
		}
		fmt.Fprintf(w, "%s%s\n", s.ID, from)
		for i, p := range s.Steps {
			state, key := "run", "-"
			switch {
			case p.Key == "":
				state = "unknown"
			case p.Cached:
				state = "cached"
				cached++
			}
			if p.Key != "" {
				key = p.Key[:12]
			}
			steps++
			fmt.Fprintf(w, "  %d/%d\t%s\t%s\t%s\n", i+1, len(s.Steps), key, state, title(&p))
			if p.Unresolved != "" {
				fmt.Fprintf(w, "\t\t\t  not looked up: %s\n", render.Printable(render.OneLine(p.Unresolved)))
			}
			if p.Why != "" && p.Why != plan.NotRemembered {
				fmt.Fprintf(w, "\t\t\t  because %s\n", terminal.Cut(render.OneLine(p.Why), 200))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range j.disks {
		fmt.Fprintf(out, "disk %s from %s%s\n", p.Disk.ID, p.Disk.Stage, because(p.Why))
		if text := expected(p.Disk); text != "" {
			fmt.Fprintf(out, "  %s\n", text)
		}
		for _, line := range deployed[p.Disk.ID] {
			fmt.Fprintf(out, "    %s\n", render.Printable(line))
		}
	}
	fmt.Fprintf(out, "%d of %d steps are cached", cached, steps)
	if n := j.plan.Unresolved(); n > 0 {
		fmt.Fprintf(out, ", %d are unknown without the network", n)
	}
	fmt.Fprintln(out)
	return out.Flush()
}

func title(p *plan.Step) string {
	return strings.TrimSpace(p.Kind + " " + terminal.Cut(render.OneLine(p.Text), 90))
}

// writeWhy shows why stages do not stay as they are.
func (c *buildCommand) writeWhy(w io.Writer, j *buildJob) error {
	steps, causes, runs := 0, 0, 0
	for _, s := range j.plan.Stages {
		steps += len(s.Steps)
		if n := len(s.Steps); n > 0 && !s.Steps[n-1].Cached {
			runs++
		}
		for i, p := range s.Steps {
			if p.Unresolved != "" {
				causes++
				fmt.Fprintf(w, "%s %d/%d %s\n  may run: it could not be looked up: %s\n", s.ID, i+1, len(s.Steps), title(&p), render.Printable(render.OneLine(p.Unresolved)))
			}
			if p.Why == "" {
				continue
			}
			causes++
			fmt.Fprintf(w, "%s %d/%d %s\n  runs because %s\n", s.ID, i+1, len(s.Steps), title(&p), terminal.Cut(render.OneLine(p.Why), 200))
		}
	}
	if runs > causes {
		fmt.Fprintf(w, "and %s based on those\n", words.Count(runs-causes, "stage"))
	}
	if runs > 0 {
		return nil
	}
	what := ""
	for i, p := range j.disks {
		what += []string{" for disk ", ", "}[min(i, 1)] + p.Disk.ID
	}
	_, err := fmt.Fprintf(w, "nothing would run%s: all %s of %s are cached\n", what, words.Count(steps, "step"), words.Count(len(j.plan.Stages), "stage"))
	return err
}

// NewWhy is "carosbuild why".
func NewWhy(a *cli.App) *cobra.Command {
	c := newBuild(a)
	c.dryRun, c.whyOnly, c.network = true, true, a.Env("NETWORK", "auto")
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Declarations),
		Use:               "why FILE...",
		Short:             "Explain why steps would run again: what has changed since the last run",
		Long:              "Explain why steps would run again: what has changed since the last run.\n\n" + filesHelp,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.run(cmd)
		},
	}
	c.planFlags(cmd)
	cmd.Flags().Lookup("json").Usage = "print the plan, with the reasons, as JSON"
	readsCaches(cmd.Flags())
	return cmd
}
