// SPDX-License-Identifier: MPL-2.0

package plan

import "github.com/carosio/carosbuild/pkg/key"

// unknownKey stands for the key of a step that cannot be computed; it is the parent
// of all following steps.
const unknownKey = "unknown"

// Unresolved has the reasons why something could not be looked up, for plans that
// are only shown. Its methods work on the zero value.
type Unresolved map[string]string

// ImageOf is the key in Unresolved of an image, by its ImageRef.
func ImageOf(ref string) string { return "image " + ref }

// BootstrapOf is the key in Unresolved of a stage's packages.
func BootstrapOf(stage string) string { return "bootstrap " + stage }

// MirrorOf is the key in Unresolved of a mirror, declared or the host's.
func MirrorOf(mirror, host string) string { return "mirror " + mirror + " " + host }

// GitTrees is the key in Unresolved of all trees of a declaration.
const GitTrees = "git trees"

// add appends a step with its key, or with the reason why it has none: something that
// it names was not looked up, or a step that it is based on has no key. It returns
// the key, or unknownKey.
func (j *Job) add(s Step, g ingredients, reason string, based ...string) string {
	k := key.Step(g.fields...)
	for _, b := range based {
		if b == unknownKey {
			k = ""
		}
	}
	if reason != "" {
		k, s.Unresolved = "", reason
	}
	s.Key, s.Ingredients = k, g.named
	j.Steps = append(j.Steps, s)
	if k == "" {
		return unknownKey
	}
	return k
}

// Unresolved is the number of steps whose keys are not known.
func (p *Plan) Unresolved() int {
	n := 0
	for _, s := range p.Stages {
		for _, step := range s.Steps {
			if step.Key == "" {
				n++
			}
		}
	}
	return n
}
