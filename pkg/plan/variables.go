// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// environment is the variables of a stage, as far as they are known without running
// anything.
type environment struct {
	vars   map[string]string
	unsure map[string]bool // variables whose value depends on the base image's
	image  string          // ImageRef of the base image if its variables are not known, or ""
	epoch  *int64
}

func (e environment) clone() environment {
	e.vars, e.unsure = maps.Clone(e.vars), maps.Clone(e.unsure)
	return e
}

// lookup returns a variable's value. It sets unsure if that depends on the image.
func (e environment) lookup(unsure *bool) decl.Lookup {
	return func(name string) (string, bool) {
		if v, ok := e.vars[name]; ok {
			*unsure = *unsure || e.unsure[name]
			return v, true
		}
		if e.image != "" {
			*unsure = true
			return "", true
		}
		v, ok := DefaultEnvironment("/root", e.epoch)[name]
		return v, ok
	}
}

// withoutHome removes the default home directory, which depends on the user.
func (e environment) withoutHome(all decl.Lookup) decl.Lookup {
	return func(name string) (string, bool) {
		if _, set := e.vars[name]; name == "HOME" && !set && e.image == "" {
			return "", false
		}
		return all(name)
	}
}

// set applies an ENV action: all values are filled in with the variables as they
// were before it.
func (e environment) set(vars []decl.EnvVar) {
	values, unsure := make([]string, len(vars)), make([]bool, len(vars))
	for i, v := range vars {
		values[i] = v.Fill(e.lookup(&unsure[i]))
	}
	for i, v := range vars {
		e.vars[v.Name], e.unsure[v.Name] = values[i], unsure[i]
	}
}

// filling fills in the variables of paths and users.
type filling struct {
	in     Facts
	after  map[string]environment // of each stage, after its actions
	images map[string]*BaseImage  // those whose variables are needed
	fs     finding.Findings
}

// BaseImage is the image of a FROM.
type BaseImage struct {
	Stage  *decl.Stage
	Action *decl.From
}

// FillIn returns the stages, which are given in build order, with the variables of
// their actions filled in; the given stages are not changed. A variable that is not
// set is a finding. Images are the base images whose variables are needed and
// missing in in.Environments.
func FillIn(stages []*decl.Stage, in Facts) (out []*decl.Stage, images map[string]*BaseImage, fs finding.Findings) {
	f := &filling{in: in, after: map[string]environment{}, images: map[string]*BaseImage{}}
	from := map[string]*BaseImage{} // of each stage's chain
	for _, s := range stages {
		out = append(out, f.stage(s, from))
	}
	return out, f.images, f.fs
}

func (f *filling) stage(old *decl.Stage, from map[string]*BaseImage) *decl.Stage {
	s := *old
	s.Actions = slices.Clone(old.Actions)
	env := environment{vars: map[string]string{}, unsure: map[string]bool{}, epoch: f.in.Epoch}
	if parent, ok := f.after[s.Prestage]; ok {
		env, from[s.ID] = parent.clone(), from[s.Prestage]
	}
	for i, a := range s.Actions {
		switch do := a.(type) {
		case *decl.From:
			from[s.ID] = &BaseImage{old, do}
			ref := ImageRef(old, do.Image)
			if known, ok := f.in.Environments[ref]; ok {
				for _, kv := range known {
					k, v, _ := strings.Cut(kv, "=")
					env.vars[k] = v
				}
			} else if ref != "scratch" {
				env.image = ref
			}
		case *decl.Env:
			env.set(do.Vars)
		default:
			unsure := false
			filled, fs := decl.Expanded(a, env.withoutHome(env.lookup(&unsure)))
			if unsure {
				f.images[env.image] = from[s.ID]
				continue
			}
			s.Actions[i] = filled
			f.fs = append(f.fs, fs...)
		}
	}
	f.after[s.ID] = env
	return &s
}
