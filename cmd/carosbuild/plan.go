// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
)

// printPlan shows a plan on stdout.
func (c *buildCommand) printPlan(j *job) error {
	if c.jsonPlan {
		enc := json.NewEncoder(c.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(j.plan)
	}
	out := bufio.NewWriter(c.stdout) // the table writer writes every cell for itself
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	cached, steps := 0, 0
	for _, s := range j.plan.Stages {
		from := ""
		if s.Stage.Prestage != "" {
			from = "  from " + s.Stage.Prestage
		}
		fmt.Fprintf(w, "%s%s\n", s.ID, from)
		for i, p := range s.Steps {
			state := "run"
			if p.Cached {
				state = "cached"
				cached++
			}
			steps++
			fmt.Fprintf(w, "  %d/%d\t%s\t%s\t%s\n", i+1, len(s.Steps), p.Key[:12], state, strings.TrimSpace(p.Kind+" "+clip(oneLine(p.Text), 90)))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if j.disk != nil {
		fmt.Fprintf(out, "disk %s from %s\n", j.disk.ID, j.disk.Stage)
	}
	fmt.Fprintf(out, "%d of %d steps are cached\n", cached, steps)
	return out.Flush()
}
