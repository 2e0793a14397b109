// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci/stepcache"
	"github.com/carosio/carosbuild/pkg/plan"
)

// A stage is based on the last step of another, and a long title is cut between letters.
func TestMetas(t *testing.T) {
	p := &plan.Plan{Stages: []plan.Job{
		{ID: "base", Steps: []plan.Step{{Kind: "RUN", Text: "a", Key: "1"}, {Kind: "RUN", Text: "x" + strings.Repeat("ü", 200), Key: "2"}}},
		{ID: "top", Parent: "base", Steps: []plan.Step{{Kind: "RUN", Text: "b", Key: "3"}}},
	}}
	got := Metas(p, stepcache.Meta{Build: "b1"})
	want := map[string]stepcache.Meta{
		"1": {Key: "1", Stage: "base", Step: 1, Steps: 2, Title: "RUN a", Build: "b1"},
		"2": {Key: "2", Parent: "1", Stage: "base", Step: 2, Steps: 2, Title: "RUN x" + strings.Repeat("ü", 97) + "...", Build: "b1"},
		"3": {Key: "3", Parent: "2", Stage: "top", Step: 1, Steps: 1, Title: "RUN b", Build: "b1"},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("-got +want:\n%s", diff)
	}
}
