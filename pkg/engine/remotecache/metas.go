// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"encoding/json"
	"strings"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
	"github.com/carosio/carosbuild/pkg/plan"
)

// longest is how many bytes of a step's text are stored with its result.
const longest = 200

// Metas describes the steps of a plan, by key; build has what they have in common.
func Metas(p *plan.Plan, build stepcache.Meta) map[string]stepcache.Meta {
	all := map[string]stepcache.Meta{}
	packages, keys := map[string]string{}, map[string]string{} // by stage
	for i := range p.Stages {
		j := &p.Stages[i]
		pkgs, parent := packages[j.Parent], keys[j.Parent]
		for k := range j.Steps {
			s := &j.Steps[k]
			if a, ok := s.Action.(*plan.Bootstrap); ok && a.Packages != nil {
				if data, err := json.Marshal(a.Packages); err == nil {
					pkgs = oci.DigestOf(data).String()
				}
			}
			m := build
			m.Key, m.Parent, m.Stage, m.Step, m.Steps, m.Packages = s.Key, parent, j.ID, k+1, len(j.Steps), pkgs
			if m.Title = s.Title(); len(m.Title) > longest {
				m.Title = strings.ToValidUTF8(m.Title[:longest], "") + "..."
			}
			if old, ok := all[s.Key]; s.Key != "" && (!ok || old.Step != old.Steps) {
				all[s.Key] = m
			}
			parent = s.Key
		}
		packages[j.ID], keys[j.ID] = pkgs, parent
	}
	return all
}
