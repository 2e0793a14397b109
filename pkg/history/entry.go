// SPDX-License-Identifier: MPL-2.0

package history

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/words"
)

// Entry says which stored images a build starts from, instead of building what
// they hold. The zero value takes none.
type Entry struct {
	Match   string // build id or pattern: what these builds have left is taken for the stages before the targets
	Upgrade string // image id, its beginning, REPO:TAG or BUILDID:STAGE: the entry stage's steps run on top of it
	Stage   string // the entry stage; "" is the target
}

// Started is a stage that starts from a stored image.
type Started struct {
	Stage string
	Image string // id
	Name  string // of the image, for a person
	Whole bool   // the image is the stage: none of its steps run
	// Base is the declared stage with the bootstrap that the image most
	// likely is based on, or nil: steps on top need to know about mirrors.
	Base *decl.Stage
}

// Apply returns the declaration as it is built with e, and which stages start
// from stored images. d is not changed. images are all of the store, stages
// those that Match and Upgrade may mean, the preferred first. It uses
// its arguments only; an error is a mistake in e.
//
// A stage that a matched build has left is taken as it is, together with all
// that is before it, unless it is a target: those are always built again. So
// the nearest one counts.
func (e Entry) Apply(d *decl.Declaration, targets []string, images []layer.Image, stages []StoredStage) (*decl.Declaration, []Started, error) {
	out := *d
	out.Stages = slices.Clone(d.Stages)
	c := &chain{Entry: e, orig: d, decl: &out, targets: targets, stored: stages, seen: map[string]bool{}}
	if e.Upgrade != "" {
		if err := c.upgrade(images); err != nil {
			return nil, nil, err
		}
	}
	for _, t := range targets {
		c.walk(t)
	}
	if e.Upgrade != "" && !c.seen[c.Stage] {
		return nil, nil, fmt.Errorf("the entry stage %s is not one of the stages that lead to %s: %s",
			c.Stage, strings.Join(targets, ", "), strings.Join(c.path, ", "))
	}
	return &out, c.started, nil
}

// chain is a declaration while its beginnings are replaced.
type chain struct {
	Entry
	orig, decl *decl.Declaration
	targets    []string
	stored     []StoredStage
	started    []Started
	seen       map[string]bool
	path       []string // what was seen, the target first
}

// upgrade cuts the entry stage from what it starts from.
func (c *chain) upgrade(images []layer.Image) error {
	if c.Stage == "" {
		if len(c.targets) != 1 {
			return fmt.Errorf("which stage starts from %s? name the entry stage, or one target of: %s", c.Upgrade, strings.Join(c.targets, ", "))
		}
		c.Stage = c.targets[0]
	}
	if c.orig.Stage(c.Stage) == nil {
		return fmt.Errorf("no entry stage %q is declared%s", c.Stage, HintStage(c.orig, c.Stage))
	}
	id, name, err := findImage(c.Upgrade, images, c.stored)
	if err != nil {
		return err
	}
	c.start(c.Stage, id, name, false)
	return nil
}

// walk follows what a stage needs until something is stored.
func (c *chain) walk(id string) {
	s := c.decl.Stage(id)
	if s == nil || c.seen[id] {
		return // an unknown one is the planner's to report
	}
	c.seen[id] = true
	c.path = append(c.path, id)
	entry := c.Upgrade != "" && id == c.Stage
	if !entry && !slices.Contains(c.targets, id) {
		if st, ok := c.match(id); ok {
			c.start(id, st.Image.ID, st.Name(), true)
			return
		}
	}
	for _, n := range plan.Needs(s) {
		c.walk(n)
	}
}

// match finds the stage in the builds that are meant.
func (c *chain) match(id string) (StoredStage, bool) {
	for _, s := range c.stored {
		if s.Skipped && !strings.EqualFold(c.Match, s.BuildID) { // only who names the build can mean it
			continue
		}
		if c.Match != "" && s.Stage == id && MatchBuild(c.Match, s.BuildID) {
			return s, true
		}
	}
	return StoredStage{}, false
}

// start makes a stage begin with a stored image.
func (c *chain) start(id, image, name string, whole bool) {
	i := slices.IndexFunc(c.decl.Stages, func(s *decl.Stage) bool { return s.ID == id })
	old := c.decl.Stages[i]
	s := *old
	s.Prestage, s.Bootstrap = "", nil
	s.Actions = []decl.Action{&decl.From{Argument: decl.Argument{Text: name, Span: old.Span}, Image: "containers-storage:@" + image}}
	if whole {
		s.Caches = nil
	} else {
		s.Actions = append(s.Actions, slices.DeleteFunc(slices.Clone(old.Actions), func(a decl.Action) bool { return a.Kind() == decl.FromKind })...)
	}
	c.decl.Stages[i] = &s
	c.started = append(c.started, Started{Stage: id, Image: image, Name: name, Whole: whole, Base: baseOf(c.orig, old)})
}

// baseOf is the stage with a bootstrap that s is based on.
func baseOf(d *decl.Declaration, s *decl.Stage) *decl.Stage {
	for range d.Stages { // a cycle ends
		if s == nil || s.Bootstrap != nil {
			return s
		}
		s = d.Stage(s.Prestage)
	}
	return nil
}

// findImage finds the one image that is meant.
func findImage(want string, images []layer.Image, stages []StoredStage) (id, name string, err error) {
	hits := map[string]string{}
	for _, s := range stages {
		if s.Name() == strings.ToLower(want) || s.Name() == want {
			hits[s.Image.ID] = s.Name()
		}
	}
	if full, err := oci.FullName(want); err == nil && strings.HasPrefix(full, imagePrefix) {
		images = imagesOf(stages) // those of others are not seen by their full names either
	}
	for _, i := range images {
		if hits[i.ID] == "" && (strings.HasPrefix(i.ID, want) || i.Named(want)) {
			hits[i.ID] = i.ID[:min(12, len(i.ID))]
			if len(i.Names) > 0 {
				hits[i.ID] = shortName(i.Names[0])
			}
		}
	}
	switch len(hits) {
	case 1:
		for id, name := range hits {
			return id, name, nil
		}
	case 0:
		return "", "", fmt.Errorf("no image %s is stored%s", want, candidates(stages))
	}
	var names []string
	for id, n := range hits {
		names = append(names, id[:min(12, len(id))]+" ("+n+")")
	}
	slices.Sort(names)
	return "", "", fmt.Errorf("%s may be one of %d images: %s", want, len(names), words.Few(names))
}

func imagesOf(stages []StoredStage) []layer.Image {
	var out []layer.Image
	for _, s := range stages {
		out = append(out, s.Image)
	}
	return out
}

// shortName is BUILDID:STAGE for a stage, else the name as it is.
func shortName(n string) string { return strings.TrimPrefix(n, imagePrefix) }

func candidates(stages []StoredStage) string {
	var names []string
	for _, s := range stages {
		if s.Status != Start {
			names = append(names, s.Name())
		}
	}
	if len(names) == 0 {
		return ", and no stage either"
	}
	return "; there are " + words.Few(names)
}

// HintStage is a correction for a misspelt stage, with the blank before it.
func HintStage(d *decl.Declaration, id string) string {
	ids := make([]string, len(d.Stages))
	for i, s := range d.Stages {
		ids[i] = s.ID
	}
	if hint := words.DidYouMean(id, ids); hint != "" {
		return " (" + hint + ")"
	}
	return ""
}
