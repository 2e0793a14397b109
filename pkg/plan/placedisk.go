// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// PlaceDisk is a copy of disk k with the stage that it is made from filled in, if k
// names none or decl.LeafStage, and with what the declaration says about the files
// that bitbake deploys in that stage. why is the reason for choosing the stage, or
// "" if the disk names it. d and k are not changed. An error is a
// finding.ListError.
func PlaceDisk(d *decl.Declaration, k *decl.Disk) (placed *decl.Disk, why string, err error) {
	out := *k
	if k.Stage == "" || k.Stage == decl.LeafStage && d.Stage(decl.LeafStage) == nil {
		if out.Stage, why, err = stageFor(d, k); err != nil {
			return nil, "", err
		}
	}
	if takesDeployed(k) {
		deploy := decl.Deploy{Span: k.Span}
		if k.Deploy != nil {
			deploy = *k.Deploy
		}
		deploy.LikelyMachine, deploy.LikelyImages = Machine(d), bitbakeTargets(d, out.Stage)
		out.Deploy = &deploy
	}
	return &out, why, nil
}

// stageFor chooses the stage for a disk that names none.
func stageFor(d *decl.Declaration, k *decl.Disk) (stage, why string, err error) {
	leaves := d.Leaves()
	if len(leaves) == 1 {
		return leaves[0].ID, "the only stage that no other stage needs", nil
	}
	// A stage that runs bitbake itself takes precedence over one based on such a
	// stage, which may be there for any purpose.
	var ids, own, below []string
	for _, s := range leaves {
		ids = append(ids, s.ID)
		switch {
		case bakes(s):
			own = append(own, s.ID)
		case runsBitbake(d, s.ID):
			below = append(below, s.ID)
		}
	}
	if k.Stage == "" {
		switch {
		case len(own) == 1:
			return own[0], "the only stage that runs bitbake and that no other stage needs", nil
		case len(own) == 0 && len(below) == 1:
			return below[0], "the only stage that is based on one that runs bitbake, and that no other stage needs", nil
		}
	}
	f := finding.Finding{Span: k.Span}
	switch {
	case len(ids) == 0:
		f.Summary = fmt.Sprintf("no stage is declared that disk %q could be made from", k.ID)
		f.Hint = "name the declaration with the stages in front of this one"
	default:
		likely := ids
		for _, some := range [][]string{own, below} {
			if len(some) > 0 {
				likely = some
				break
			}
		}
		f.Summary = fmt.Sprintf("disk %q may be made from any of several stages, as no other stage needs them: %s", k.ID, words.Few(ids))
		f.Hint = fmt.Sprintf("write stage=%q into its <disk>", likely[len(likely)-1])
	}
	return "", "", &finding.ListError{Findings: finding.Findings{f}}
}

// takesDeployed reports whether a disk takes files by deploy:KIND.
func takesDeployed(k *decl.Disk) bool {
	values := []string{}
	for _, p := range k.Partitions {
		values = append(values, p.Path, p.From)
		for _, it := range p.Items {
			for _, taken := range decl.TakenBy(it) {
				values = append(values, taken.From)
			}
		}
	}
	for _, b := range k.Blobs {
		values = append(values, b.From)
	}
	if k.VM != nil && k.VM.CDROM != nil {
		values = append(values, k.VM.CDROM.From)
	}
	return slices.ContainsFunc(values, func(v string) bool { _, ok := decl.DeployKind(v); return ok })
}

// ancestry is a stage and those it is based on, itself first. The stages of a
// declaration without findings have no cycles.
func ancestry(d *decl.Declaration, stage string) []*decl.Stage {
	var out []*decl.Stage
	for s := d.Stage(stage); s != nil && len(out) < len(d.Stages); s = d.Stage(s.Prestage) {
		out = append(out, s)
	}
	return out
}

// bakes reports whether a stage runs bitbake itself.
func bakes(s *decl.Stage) bool {
	return slices.ContainsFunc(s.Actions, func(a decl.Action) bool { return a.Kind() == decl.BitbakeKind })
}

func runsBitbake(d *decl.Declaration, stage string) bool { return len(bitbakeActions(d, stage)) > 0 }

// bitbakeActions are the actions of a stage and of those it is based on that run
// bitbake, the last first.
func bitbakeActions(d *decl.Declaration, stage string) []*decl.Bitbake {
	var out []*decl.Bitbake
	for _, s := range ancestry(d, stage) {
		for _, a := range slices.Backward(s.Actions) {
			if run, ok := a.(*decl.Bitbake); ok {
				out = append(out, run)
			}
		}
	}
	return out
}

// bitbakeTargets are the targets for which bitbake was run, the last first.
func bitbakeTargets(d *decl.Declaration, stage string) []string {
	var out []string
	for _, a := range bitbakeActions(d, stage) {
		for _, t := range slices.Backward(a.Targets) {
			t, _, _ = strings.Cut(t, ":do_")
			out = append(out, t[strings.LastIndexByte(t, ':')+1:]) // mc:CONFIGURATION:TARGET
		}
	}
	return out
}

// RunsBitbake reports whether one of the declaration's stages runs bitbake.
func RunsBitbake(d *decl.Declaration) bool {
	return slices.ContainsFunc(d.Stages, bakes)
}

// Machine is MACHINE in the declaration's local_conf, or "" if it is not set there.
func Machine(d *decl.Declaration) string {
	var conf strings.Builder
	for _, c := range d.LocalConf {
		conf.WriteString(c.Text + "\n")
	}
	return yocto.MachineOf(conf.String())
}
