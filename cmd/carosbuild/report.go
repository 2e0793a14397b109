// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"syscall"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
)

// knownReport is what is known of a report before the build.
func (a *app) knownReport(j *job) history.Report {
	r := history.Report{Program: buildVersion(), Declarations: a.declarations()}
	if len(j.disks) == 1 {
		r.Disk = j.disks[0].disk.ID
	}
	for _, t := range j.resolved.Trees {
		t.Span = decl.Span{}
		r.Trees = append(r.Trees, t)
	}
	for _, a := range j.decl.Artifacts {
		r.Artifacts = append(r.Artifacts, history.Artifact{Stage: a.Stage, Path: a.Path, Name: a.Name})
	}
	for _, f := range j.decl.Feeds {
		r.Feeds = append(r.Feeds, history.Artifact{Stage: f.Stage, Path: f.Path})
	}
	return r
}

// writeReport keeps what a build did beside its logs. A build is not less done
// because that cannot be kept: then there is only a word about it.
func (a *app) writeReport(r *history.Report, j *job) {
	known := j.report
	r.Program, r.Declarations, r.Disk = known.Program, known.Declarations, known.Disk
	r.Trees, r.Artifacts, r.Feeds = known.Trees, known.Artifacts, known.Feeds
	if r.Status == history.Done {
		r.Outputs = writtenOutputs(j.disks, j.made)
	}
	if err := history.WriteReport(filepath.Join(logsDir(j.dirs), r.BuildID), r); err != nil {
		a.say(err)
	}
}

func (a *app) declarations() []history.FileReport {
	files := []history.FileReport{}
	for _, f := range a.inputs() {
		sum := sha256.Sum256(f.Data)
		files = append(files, history.FileReport{Name: f.Name, SHA256: hex.EncodeToString(sum[:])})
	}
	return files
}

// writtenOutputs are the files of --out as they are now. Devices and pipes are
// no files. A format that is not written front to back, but for OVA, has no digest yet: that
// would take a second pass, and is left to whoever asks for one first.
func writtenOutputs(disks []diskOutputs, made []*compose.DiskImage) []history.Output {
	var outs []history.Output
	for i, p := range disks {
		for _, o := range p.outs {
			for _, f := range filesOf(p.disk, o) {
				if i < len(made) {
					f.SHA256 = made[i].Sums[f.Path]
				}
				outs = append(outs, f)
			}
		}
	}
	return outs
}

// filesOf are the files of one output.
func filesOf(k *decl.Disk, o disk.Output) []history.Output {
	var outs []history.Output
	for _, path := range o.Files() {
		out, ok := outputOf(path)
		if !ok {
			continue
		}
		out.Disk, out.Format = k.ID, string(o.Format)
		if f, err := disk.FormatFor(string(o.Format), o.Path); err == nil {
			out.Format = string(f)
		}
		outs = append(outs, out)
	}
	return outs
}

func outputOf(path string) (history.Output, bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return history.Output{}, false
	}
	if real, err = filepath.Abs(real); err != nil {
		return history.Output{}, false
	}
	st, err := os.Stat(real)
	if err != nil || !st.Mode().IsRegular() {
		return history.Output{}, false
	}
	return history.Output{Path: real, Size: st.Size(), ModTime: st.ModTime().UTC(), Inode: st.Sys().(*syscall.Stat_t).Ino}, true
}
