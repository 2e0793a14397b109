// SPDX-License-Identifier: MPL-2.0

package history

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
)

// Known is what is known of a report before its build runs.
type Known struct {
	Program string        // version that runs
	Sources []decl.Source // files that the declaration was read from
	Decl    *decl.Declaration
	Disks   []string       // ids of those that are made
	Trees   []plan.GitTree // that were resolved
}

// Report is the report as far as it is known.
func (k Known) Report() Report {
	r := Report{Program: k.Program, Declarations: []FileReport{}}
	for _, f := range k.Sources {
		sum := sha256.Sum256(f.Data)
		r.Declarations = append(r.Declarations, FileReport{Name: f.Name, SHA256: hex.EncodeToString(sum[:])})
	}
	if len(k.Disks) == 1 {
		r.Disk = k.Disks[0]
	}
	for _, t := range k.Trees {
		t.Span = finding.Span{}
		r.Trees = append(r.Trees, t)
	}
	for _, a := range k.Decl.Artifacts {
		r.Artifacts = append(r.Artifacts, Artifact{Stage: a.Stage, Path: a.Path, Name: a.Name})
	}
	for _, f := range k.Decl.Feeds {
		r.Feeds = append(r.Feeds, Artifact{Stage: f.Stage, Path: f.Path})
	}
	return r
}

// Fill fills in what was known before the build.
func (r *Report) Fill(known Report) {
	r.Program, r.Declarations, r.Disk = known.Program, known.Declarations, known.Disk
	r.Trees, r.Artifacts, r.Feeds = known.Trees, known.Artifacts, known.Feeds
}
