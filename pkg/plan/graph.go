// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
)

// Needs are the stages that stage s needs: its parent first, then those it copies
// from.
func Needs(s *decl.Stage) []string {
	var ids []string
	if s.Prestage != "" {
		ids = append(ids, s.Prestage)
	}
	for _, a := range s.Actions {
		if id := decl.CopiesFrom(a); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Order returns the stages that the targets need, including the targets, each after
// those it needs and otherwise in declared order.
func Order(stages []*decl.Stage, targets []string) ([]*decl.Stage, error) {
	byID := map[string]*decl.Stage{}
	for _, s := range stages {
		byID[s.ID] = s
	}
	const visiting, done = 1, 2
	state := map[string]int{}
	var out []*decl.Stage
	var path []string
	var visit func(id string) error
	visit = func(id string) error {
		s := byID[id]
		switch {
		case s == nil:
			return fmt.Errorf("no stage %q is declared", id)
		case state[id] == done:
			return nil
		case state[id] == visiting:
			return fmt.Errorf("stages need each other: %s", strings.Join(append(path, id), " needs "))
		}
		state[id] = visiting
		path = append(path, id)
		for _, n := range Needs(s) {
			if err := visit(n); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		state[id] = done
		out = append(out, s)
		return nil
	}
	for _, s := range stages { // declared order among targets
		if slices.Contains(targets, s.ID) {
			if err := visit(s.ID); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range targets { // an unknown stage is an error
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DefaultTargets are the stages that are built if none is named: those that no
// other stage needs, in declared order.
func DefaultTargets(d *decl.Declaration) []string {
	needed := map[string]bool{}
	for _, s := range d.Stages {
		for _, id := range Needs(s) {
			needed[id] = true
		}
	}
	var out []string
	for _, s := range d.Stages {
		if !needed[s.ID] {
			out = append(out, s.ID)
		}
	}
	return out
}
