// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/targets"
)

// placeDisks is a declaration and the disks that are asked for, each disk with the
// stage that it is made from. Declared disks that are not asked for get one where
// it can be found: what is built is recorded as theirs.
func placeDisks(d *decl.Declaration, disks []diskcmd.DiskOutputs) (*decl.Declaration, []diskcmd.DiskOutputs, error) {
	var all finding.Findings
	placed := slices.Clone(disks)
	for i, p := range disks {
		k, why, err := plan.PlaceDisk(d, p.Disk)
		var wrong *finding.ListError
		switch {
		case errors.As(err, &wrong):
			for _, f := range wrong.Findings {
				all = append(all, ofOverlay(d, f))
			}
		case err != nil:
			return nil, nil, err
		}
		placed[i].Disk, placed[i].Why = k, why
	}
	if len(all) > 0 {
		return nil, nil, &finding.ListError{Findings: all}
	}
	out := *d
	out.Disks = slices.Clone(d.Disks)
	for i, declared := range d.Disks {
		if k, _, err := plan.PlaceDisk(d, declared); err == nil {
			out.Disks[i] = k
		}
	}
	return &out, placed, nil
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// warnOverlays warns of overlays that are for other machines than the one that is
// built for, and of those that are laid over nothing.
func warnOverlays(a *cli.App, declFiles []string, disks []diskcmd.DiskOutputs) {
	for _, p := range disks {
		machine := expectedMachine(p.Disk)
		o, known := targets.OverlayNamed(p.Disk.ID + ".xml")
		if !known || p.Disk.Span.File != o.File {
			continue
		}
		if fits, kind := targets.Fitting(machine); fits != "" && !slices.Contains(o.Kinds, kind) {
			a.Warnf("%s is for %s, but MACHINE is %s: use %s", o.File, o.What, machine, fits)
		}
	}
	alone := len(declFiles) > 0
	for _, f := range declFiles {
		alone = alone && declfile.IsOverlay(f)
	}
	if alone {
		a.Warnf("%s is laid over a declaration that runs bitbake: carosbuild YOURS.xml %s", declFiles[0], declFiles[0])
	}
}

// expectedMachine is the machine whose files a disk takes, "" for the only one.
func expectedMachine(k *decl.Disk) string {
	switch {
	case k.Deploy == nil:
		return ""
	case k.Deploy.Machine != "":
		return k.Deploy.Machine
	}
	return k.Deploy.LikelyMachine
}

// expectedImage is the image that a disk is likely made from, "" if the targets do
// not tell: images have the word in their names, and packagegroups have not.
func expectedImage(k *decl.Disk) string {
	switch {
	case k.Deploy == nil:
		return ""
	case k.Deploy.Image != "":
		return k.Deploy.Image
	}
	i := slices.IndexFunc(k.Deploy.LikelyImages, func(name string) bool { return strings.Contains(name, "image") })
	if i < 0 {
		return ""
	}
	return k.Deploy.LikelyImages[i]
}

// expected says for a plan which deployed files a disk takes.
func expected(k *decl.Disk) string {
	if k.Deploy == nil {
		return ""
	}
	machine, image := "the only machine", "the only image"
	if m := expectedMachine(k); m != "" {
		machine = "machine " + m
	}
	if i := expectedImage(k); i != "" {
		image = "image " + i
	}
	return "takes what bitbake deploys for " + machine + " and " + image
}

// ofOverlay adds a remedy to a finding about the stage of a built-in disk.
func ofOverlay(d *decl.Declaration, f finding.Finding) finding.Finding {
	name := f.Span.File
	if !slices.Contains(declfile.BuiltIn(), name) {
		return f
	}
	if _, err := os.Lstat(name); err == nil { // a file of the user's
		return f
	}
	switch {
	case declfile.IsOverlay(name) && !plan.RunsBitbake(d):
		f.Hint = name + " is laid over a declaration that runs bitbake: carosbuild YOURS.xml " + name
	case f.Hint != "":
		f.Hint = "carosbuild targets " + name + " --to mine makes a copy to change: " + f.Hint
	}
	return f
}
