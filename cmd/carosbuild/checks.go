// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"

	"github.com/carosio/carosbuild/pkg/disk"
)

// checkInputs refuses to replace what the run reads: the declarations, what is
// beside them, and what else is given.
func (a *app) checkInputs(declFiles []string, disks []diskOutputs, in []disk.Input) error {
	for _, src := range a.inputs() {
		in = append(in, disk.Input{Path: src.Name, What: "a declaration"})
	}
	if len(declFiles) > 0 {
		in = append(in, disk.Input{Path: lockPath(declFiles), What: "the lock file"})
	}
	for _, p := range disks {
		if err := disk.CheckInputs(p.outs, disk.WriteOptions{}, in); err != nil {
			return usagef("--out %w", err)
		}
	}
	return nil
}

// checkOutputs finds out before anything is built what could not be written.
func (o *diskFlags) checkOutputs(verify bool) error {
	if o.level < 0 || o.level > 9 {
		return usagef("--compression-level %d: want 1 to 9, or 0 for the format's own choice", o.level)
	}
	for flag, set := range map[string]bool{"--format": o.format != "", "--compression-level": o.level > 0, "--verify-boot": verify} {
		if set && len(o.out) == 0 {
			return usagef("%s needs --out", flag)
		}
	}
	for _, out := range o.out {
		if _, err := disk.FormatFor(o.format, out); err != nil && !isDevice(out) {
			return usageError{err}
		}
	}
	if o.patterns() > 0 { // what stands for the disks' ids is known later
		return nil
	}
	return disk.CheckOutputs(o.outputs(), disk.WriteOptions{})
}

// isDevice reports whether path is a block device, which needs no format.
func isDevice(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Type() == os.ModeDevice
}
