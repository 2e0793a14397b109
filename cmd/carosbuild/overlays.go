// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/targets"
)

// isOverlay reports whether a file is a built-in disk for what bitbake deploys.
func isOverlay(file string) bool {
	_, ok := targets.OverlayNamed(file)
	return ok
}

// overlayHint says which built-in overlay has a disk for a declaration that runs
// bitbake. Command makes a command of the overlay's name.
func overlayHint(d *decl.Declaration, command func(overlay string) string) string {
	if !plan.RunsBitbake(d) {
		return ""
	}
	machine := plan.Machine(d)
	if file, _ := targets.Fitting(machine); file != "" {
		return fmt.Sprintf("; for machine %s there is a built-in one: %s", machine, command(file))
	}
	var files []string
	for _, o := range targets.Overlays() {
		if len(o.Best) > 0 {
			files = append(files, o.File)
		}
	}
	return "; built-in ones for what bitbake deploys are " + decl.List(files) + ": " + command("OVERLAY")
}

// overBuild is a build with an overlay.
func (o *planOptions) overBuild(overlay string) string {
	return fmt.Sprintf("carosbuild %s %s --out ...", quoteArgs(o.declFiles), overlay)
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

// warnOverlays warns of overlays that are for other machines than the one that is
// built for, and of those that are laid over nothing.
func (a *app) warnOverlays(declFiles []string, disks []diskOutputs) {
	for _, p := range disks {
		machine := expectedMachine(p.disk)
		o, known := targets.OverlayNamed(p.disk.ID + ".xml")
		if !known || p.disk.Span.File != o.File {
			continue
		}
		if fits, kind := targets.Fitting(machine); fits != "" && !slices.Contains(o.Kinds, kind) {
			a.warnf("%s is for %s, but MACHINE is %s: use %s", o.File, o.What, machine, fits)
		}
	}
	alone := len(declFiles) > 0
	for _, f := range declFiles {
		alone = alone && isOverlay(f)
	}
	if alone {
		a.warnf("%s is laid over a declaration that runs bitbake: carosbuild YOURS.xml %s", declFiles[0], declFiles[0])
	}
}
