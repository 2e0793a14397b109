// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
)

// Reads are the files and directories of this machine that building the targets
// reads, as far as they exist: sources, images in layouts and archives, keyrings,
// mirrors and git repositories. Sources with variables in their names are known
// only from a plan: see PlannedReads.
func (r *Resolver) Reads(d *decl.Declaration, targets []string) ([]disk.Input, error) {
	stages, err := plan.Order(d.Stages, targets)
	if err != nil {
		return nil, err
	}
	var in []disk.Input
	for _, s := range stages {
		if b := s.Bootstrap; b != nil {
			in = append(in, r.bootstrapReads(s, b)...)
		}
		for _, a := range s.Actions {
			in = append(in, r.actionReads(s, a)...)
		}
	}
	if !plan.UsesTrees(stages) {
		return in, nil
	}
	_, origins, err := plan.DeclaredTrees(d)
	if err != nil {
		return nil, err
	}
	for _, o := range origins {
		url, err := r.Rewrites.Apply(o.Remote.Name, o.Remote.BaseURL, o.Repo)
		if path, ok := localPath(url); err == nil && ok {
			in = append(in, disk.Input{Path: path, What: "a git repository of the declaration"})
		}
	}
	return in, nil
}

// PlannedReads are the files and directories of this machine that the jobs of a plan
// read.
func PlannedReads(p *plan.Plan) []disk.Input {
	var in []disk.Input
	for i := range p.Stages {
		for _, l := range slices.Concat(p.Stages[i].Inputs(), p.Stages[i].Local()) {
			if filepath.IsAbs(l.Path) { // not an image of the store
				in = append(in, disk.Input{Path: l.Path, What: l.What})
			}
		}
	}
	return in
}

func (r *Resolver) bootstrapReads(s *decl.Stage, b *decl.Bootstrap) []disk.Input {
	var in []disk.Input
	if path, err := r.find(s, b.Keyring); b.Keyring != "" && err == nil {
		in = append(in, disk.Input{Path: path, What: "the keyring of stage " + s.ID})
	}
	for _, url := range []string{b.Mirror, b.SecurityMirror} {
		if path, ok := localPath(url); ok {
			in = append(in, disk.Input{Path: path, What: "the mirror of stage " + s.ID})
		}
	}
	return in
}

func (r *Resolver) actionReads(s *decl.Stage, a decl.Action) []disk.Input {
	switch do := a.(type) {
	case *decl.From:
		if path, ok := oci.LocalFile(plan.ImageRef(s, do.Image)); ok {
			return []disk.Input{{Path: path, What: "the image that stage " + s.ID + " starts from"}}
		}
	case *decl.Copy:
		if do.FromStage != "" {
			return nil
		}
		var in []disk.Input
		for _, src := range do.Sources {
			if path, err := r.find(s, src); err == nil {
				in = append(in, disk.Input{Path: path, What: "a source of " + string(do.Kind()) + " in stage " + s.ID})
			}
		}
		return in
	}
	return nil
}
