// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"os"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/pkg/disk"
)

// CheckInputs refuses outputs that would replace what the run reads: the
// declarations, the files beside them, and other inputs.
func CheckInputs(a *cli.App, declFiles []string, disks []DiskOutputs, in []disk.Input) error {
	for _, src := range a.Inputs() {
		in = append(in, disk.Input{Path: src.Name, What: "a declaration"})
	}
	if len(declFiles) > 0 {
		in = append(in, disk.Input{Path: declfile.LockPath(declFiles), What: "the lock file"})
	}
	for _, p := range disks {
		if err := disk.CheckInputs(p.Outs, disk.WriteOptions{}, in); err != nil {
			return cli.Usagef("--out %w", err)
		}
	}
	return nil
}

// CheckOutputs reports, before anything is built, which outputs could not be
// written.
func (o *DiskFlags) CheckOutputs(verify bool) error {
	if o.Level < 0 || o.Level > 9 {
		return cli.Usagef("--compression-level %d: want 1 to 9, or 0 for the format's own choice", o.Level)
	}
	for flag, set := range map[string]bool{"--format": o.Format != "", "--compression-level": o.Level > 0, "--verify-boot": verify} {
		if set && len(o.Out) == 0 {
			return cli.Usagef("%s needs --out", flag)
		}
	}
	for _, out := range o.Out {
		if _, err := disk.FormatFor(o.Format, out); err != nil && !isDevice(out) {
			return cli.Usage(err)
		}
	}
	if o.patterns() > 0 { // the ids in place of {disk} are known later
		return nil
	}
	return disk.CheckOutputs(o.outputs(), disk.WriteOptions{})
}

// isDevice reports whether path is a block device, which needs no format.
func isDevice(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Type() == os.ModeDevice
}
