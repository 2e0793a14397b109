// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"os"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// checkSpace finds out whether there is room for what the build is known to take,
// before it takes anything.
func (c *buildCommand) checkSpace(j *job) error {
	f := &debian.Fetcher{Cache: j.dirs.packages()}
	forecast := j.dirs.history().Predict(c.historyName(), j.plan, f, logsDir(j.dirs))
	if layer.CheckPlace(j.store.GraphRoot) != nil { // it will be in memory
		forecast.Layers = 0
	}
	claims := forecast.Claims(j.store.GraphRoot, j.dirs.packages())
	for _, p := range j.disks {
		claims = append(claims, forecast.OutputClaims(p.disk, p.outs)...)
	}
	err := disk.CheckSpace(claims)
	if err != nil {
		return &remedy.Error{Tried: err.Error(), Cure: "make room (carosbuild prune removes old builds), or have the store, XDG_CACHE_HOME or the output on another file system"}
	}
	return nil
}

// checkInputs refuses to replace what the run reads: the declarations, what is
// beside them, and what else is given.
func (c *buildCommand) checkInputs(disks []diskOutputs, in []disk.Input) error {
	for _, src := range c.inputs() {
		in = append(in, disk.Input{Path: src.Name, What: "a declaration"})
	}
	if len(c.declFiles) > 0 {
		in = append(in, disk.Input{Path: c.lockPath(), What: "the lock file"})
	}
	for _, p := range disks {
		if err := disk.CheckInputs(p.outs, disk.WriteOptions{}, in); err != nil {
			return usagef("--out %w", err)
		}
	}
	return nil
}

// checkExpects finds out whether there is something to wait for.
func (c *buildCommand) checkExpects(disks []diskOutputs) error {
	for _, p := range disks {
		if c.verify && len(p.disk.Expects) == 0 {
			return usagef("--verify-boot: disk %s has no <expect>", p.disk.ID)
		}
	}
	return nil
}

func checkNetwork(name string) error {
	if name != string(runc.HostNetwork) && name != string(runc.NoNetwork) {
		return usagef("--network %q: want host or none", name)
	}
	return nil
}

// checkOutputs finds out before anything is built what could not be written.
func (c *buildCommand) checkOutputs() error {
	if c.level < 0 || c.level > 9 {
		return usagef("--compression-level %d: want 1 to 9, or 0 for the format's own choice", c.level)
	}
	for flag, set := range map[string]bool{"--format": c.format != "", "--compression-level": c.level > 0, "--verify-boot": c.verify} {
		if set && len(c.out) == 0 {
			return usagef("%s needs --out", flag)
		}
	}
	for _, out := range c.out {
		if _, err := disk.FormatFor(c.format, out); err != nil && !isDevice(out) {
			return usageError{err}
		}
	}
	if c.patterns() > 0 { // what stands for the disks' ids is known later
		return nil
	}
	return disk.CheckOutputs(c.outputs(), disk.WriteOptions{})
}

// isDevice reports whether path is a block device, which needs no format.
func isDevice(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().Type() == os.ModeDevice
}
