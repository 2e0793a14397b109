// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// A plan of this program is accepted. A plan from elsewhere is not if its keys or
// names lead out of a directory, or if something is missing.
func TestCheck(t *testing.T) {
	in := madeUp(t, decltest.Parse(t, allKinds), nil)
	for k := range in.Files {
		in.Files[k] = strings.Repeat("d", 64)
	}
	good, err := NewPlan(decltest.Parse(t, allKinds), []string{"s"}, in)
	if err == nil {
		err = good.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	k := strings.Repeat("a", 64)
	one := func(s Step) *Plan { return &Plan{Version: Version, Stages: []Job{{ID: "s", Steps: []Step{s}}}} }
	for want, p := range map[string]*Plan{
		"not of version 2":                     nil,
		"not of version 2, which":              {Version: 1},
		`"../x" is not the id`:                 {Version: Version, Stages: []Job{{ID: "../x"}}},
		`"" is not the id`:                     {Version: Version, Stages: []Job{{}}},
		`".x" is not the id`:                   {Version: Version, Stages: []Job{{ID: ".x"}}},
		`step 1: "../../etc" is not a key`:     one(Step{Key: "../../etc", Action: &Run{}}),
		`is not a key`:                         one(Step{Key: strings.Repeat("A", 64), Action: &Run{}}),
		`NONE lacks`:                           one(Step{Kind: "NONE", Key: k}),
		`BOOTSTRAP lacks`:                      one(Step{Kind: BootstrapKind, Key: k, Action: &Bootstrap{}}),
		`CREATE_BBLAYERS lacks`:                one(Step{Kind: "CREATE_BBLAYERS", Key: k, Action: &BBLayers{}}),
		`CREATE_LOCAL_CONF lacks`:              one(Step{Kind: "CREATE_LOCAL_CONF", Key: k, Action: &LocalConf{}}),
		`BITBAKE lacks`:                        one(Step{Kind: "BITBAKE", Key: k, Action: &Bitbake{}}),
		`REPOSYNC lacks`:                       one(Step{Kind: "REPOSYNC", Key: k, Action: &Reposync{Trees: []GitTree{{}}}}),
		`stage s: step 1: "x" is not the dige`: one(Step{Kind: "ADD", Key: k, Action: &Copy{Sources: []Source{{Path: "/f", Digest: "x"}}}}),
	} {
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, s := range []Step{
		{Kind: "BOOTSTRAP", Unresolved: "no mirror", Action: &Bootstrap{}},
		{Kind: "BOOTSTRAP", Key: k, Action: &Bootstrap{Packages: &debian.Resolution{}}},
		{Kind: "REPOSYNC", Key: k, Action: &Reposync{Trees: []GitTree{{}}, From: []git.Pinned{{}}}},
		{Kind: "ADD", Key: k, Action: &Copy{Sources: []Source{{Name: "none"}}}},
	} {
		if err := one(s).Check(); err != nil {
			t.Errorf("%s: %v", s.Kind, err)
		}
	}
	if err := (*Job)(nil).Check(); err == nil {
		t.Error("the plan has no job, and it is taken")
	}
}
