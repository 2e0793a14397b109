// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/userns"
)

// handover is what the program inside the namespaces gets of a build from the one
// outside, which has read the declaration and has looked up what it names.
type handover struct {
	Plan    *plan.Plan        `json:"plan"`
	Disks   []handedDisk      `json:"disks,omitempty"`
	BuildID string            `json:"build_id"`
	Info    history.BuildInfo `json:"info"`
	Report  history.Report    `json:"report"` // what of it is known before the build
	Tagged  string            `json:"tagged,omitempty"`
	Command history.Command   `json:"command"`
	Resumed bool              `json:"resumed,omitempty"`
	// Recorded is buildJob.recorded.
	Recorded string `json:"recorded,omitempty"`
	// Sources and Origins are the texts that messages quote.
	Sources []decl.Source `json:"sources"`
	Origins []decl.Source `json:"origins,omitempty"`
}

type handedDisk struct {
	Disk *decl.Disk    `json:"disk"`
	Why  string        `json:"why,omitempty"`
	Outs []disk.Output `json:"outs"`
}

// handOver encodes what the inner program needs.
func handOver(a *cli.App, j *buildJob) ([]byte, error) {
	h := handover{
		Plan: j.plan, BuildID: j.buildID, Info: j.info, Report: j.report, Tagged: j.tagged, Command: j.command, Resumed: j.resumed, Recorded: j.recorded, Sources: a.Files, Origins: a.Origins,
	}
	for _, d := range j.disks {
		h.Disks = append(h.Disks, handedDisk{Disk: d.Disk, Why: d.Why, Outs: d.Outs})
	}
	if name := notUTF8(h); name != "" {
		return nil, cli.Usagef("%q is not UTF-8, so a build can neither read nor write it: rename the file, or the folder that contains it", name)
	}
	data, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("pass the plan on: %w", err)
	}
	return data, nil
}

// notUTF8 is the first name of this machine that JSON cannot have, "" for none.
func notUTF8(h handover) string {
	var names []string
	for _, d := range h.Disks {
		for _, o := range d.Outs {
			names = append(names, o.Path)
		}
	}
	for i := range h.Plan.Stages {
		for _, in := range slices.Concat(h.Plan.Stages[i].Inputs(), h.Plan.Stages[i].Local()) {
			names = append(names, in.Path)
		}
	}
	for _, n := range names {
		if !utf8.ValidString(n) {
			return n
		}
	}
	return ""
}

// handed is the job that was handed over, nil outside of the namespaces.
func handed(ctx context.Context, a *cli.App) (*buildJob, error) {
	data, err := userns.ReadHandover(a.Getenv)
	if err != nil || data == nil {
		return nil, err
	}
	var h handover
	if err := json.Unmarshal(data, &h); err != nil {
		return nil, fmt.Errorf("read the plan that was passed on: %w", err)
	}
	if err := h.Plan.Check(); err != nil {
		return nil, fmt.Errorf("read the plan that was passed on: %w", err)
	}
	j, err := newJob(ctx, a, false)
	if err != nil {
		return nil, err
	}
	a.Files, a.Origins = h.Sources, h.Origins
	j.buildID, j.plan, j.info, j.report, j.tagged = h.BuildID, h.Plan, h.Info, h.Report, h.Tagged
	j.command, j.skipped, j.resumed = h.Command, h.Command.Skipped, h.Resumed
	j.recorded = h.Recorded
	for _, d := range h.Disks {
		j.disks = append(j.disks, diskcmd.DiskOutputs{Disk: d.Disk, Why: d.Why, Outs: d.Outs})
	}
	for _, d := range h.Report.Downloads {
		a.Downloads.Add(d)
	}
	j.openCache()
	return j, nil
}
