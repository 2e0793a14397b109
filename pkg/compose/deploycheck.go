// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"context"
	"errors"
	"path"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// deployUse is a place in a disk's declaration that needs a deployed file.
type deployUse struct {
	stage, value string
	at           finding.Span
}

// deployUses are the places that need deployed files, in the order of the
// declaration.
func (c *composer) deployUses() []deployUse {
	var all []deployUse
	add := func(stage, value string, at finding.Span) {
		if _, ok := decl.DeployKind(value); ok {
			all = append(all, deployUse{cmp.Or(stage, c.disk.Stage), value, at})
		}
	}
	for _, p := range c.disk.Partitions {
		add(p.Stage, p.Path, p.Places.At("path", p.Span))
		add(p.Stage, p.From, p.Places.At("from", p.Span))
		for _, it := range p.Items {
			if mayLack(it) {
				continue
			}
			for _, taken := range decl.TakenBy(it) {
				add(c.stage(taken.Stage, p), taken.From, it.At(taken.Attr))
			}
		}
	}
	for _, b := range c.disk.Blobs {
		add(b.Stage, b.From, b.Span)
	}
	if c.disk.VM != nil && c.disk.VM.CDROM != nil {
		add(c.disk.VM.CDROM.Stage, c.disk.VM.CDROM.From, c.disk.VM.CDROM.Span)
	}
	return all
}

// mayLack reports whether an item can do without its deployed file. An initrd
// without a deployed archive of modules uses those of the root file system.
func mayLack(it decl.Item) bool {
	switch it := it.(type) {
	case *decl.CopyItem:
		return it.Optional
	case *decl.InitrdItem:
		return true
	}
	return false
}

// checkDeployed reports all kinds of files that are not deployed at once, each at
// the place that needs it: only bitbake deploys them.
func (c *composer) checkDeployed(ctx context.Context) error {
	var missing finding.Findings
	taken := slices.Clone(c.taken) // a file that is only looked for is not taken
	defer func() { c.taken = taken }()
	seen := map[[2]string]bool{}
	for _, u := range c.deployUses() {
		if key := [2]string{u.stage, u.value}; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		kind, _ := decl.DeployKind(u.value)
		_, err := c.deployedFiles(ctx, u.stage, yocto.Kind(kind), true)
		if !yocto.IsMissing(err) {
			continue // other errors are found when the file is read
		}
		var one *finding.ListError
		if errors.As(mistake(u.at, err), &one) {
			missing = append(missing, one.Findings...)
		}
	}
	if len(missing) > 0 {
		return &finding.ListError{Findings: missing}
	}
	return nil
}

// takenFile is a deployed file that the disk is made from.
type takenFile struct {
	stage string
	kind  yocto.Kind
	name  string
}

// take notes a deployed file that the disk is made from.
func (c *composer) take(stage string, kind yocto.Kind, f yocto.File) {
	t := takenFile{stage, kind, path.Base(f.Path)}
	if !slices.Contains(c.taken, t) {
		c.taken = append(c.taken, t)
	}
}

// noteDeployed says which of the deployed files the disk is made from.
func (c *composer) noteDeployed() {
	stages := []string{}
	for _, t := range c.taken {
		if !slices.Contains(stages, t.stage) {
			stages = append(stages, t.stage)
		}
	}
	for _, stage := range stages {
		d := c.deploys[stage]
		what := "files"
		if d.Image != "" {
			what = d.Image
		}
		if d.Machine != "" {
			what += " of machine " + d.Machine
		}
		if d.Why != "" {
			what += " (" + d.Why + ")"
		}
		var names []string
		for _, t := range c.taken {
			switch {
			case t.stage != stage:
			case t.kind == yocto.RootFS || t.kind == yocto.ISO:
				names = append(names, t.name)
			default:
				names = append(names, string(t.kind)+" "+t.name)
			}
		}
		c.note("%s: %s", what, words.Few(names))
	}
}
