// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"os"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
)

// placeDisks finds the stages of the disks that name none.
func placeDisks(d *decl.Declaration, disks []diskOutputs) error {
	var all decl.Findings
	for i, p := range disks {
		why, err := plan.PlaceDisk(d, p.disk)
		var wrong *decl.FindingsError
		switch {
		case errors.As(err, &wrong):
			for _, f := range wrong.Findings {
				all = append(all, ofOverlay(d, f))
			}
		case err != nil:
			return err
		}
		disks[i].why = why
	}
	if len(all) > 0 {
		return &decl.FindingsError{Findings: all}
	}
	for _, k := range d.Disks { // what is built without one is noted as the disk's all the same
		if _, err := plan.PlaceDisk(d, k); err != nil {
			continue // nobody asks for it
		}
	}
	return nil
}

// ofOverlay adds a remedy to a finding about the stage of a built-in disk.
func ofOverlay(d *decl.Declaration, f decl.Finding) decl.Finding {
	name := f.Span.File
	if !slices.Contains(embedded(), name) {
		return f
	}
	if _, err := os.Lstat(name); err == nil { // a file of the user's
		return f
	}
	switch {
	case isOverlay(name) && !plan.RunsBitbake(d):
		f.Hint = name + " is laid over a declaration that runs bitbake: carosbuild YOURS.xml " + name
	case f.Hint != "":
		f.Hint = "carosbuild targets " + name + " --to mine makes a copy to change: " + f.Hint
	}
	return f
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}
