// SPDX-License-Identifier: MPL-2.0

package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/plan"
)

// A stage's image is named after the stage and the starts of those on top of
// it; a declared stage has its name for itself.
func TestImageNames(t *testing.T) {
	long := strings.Repeat("l", 125)
	d := decltest.Parse(t, `
		<buildstage id="base"><action>FROM debian:12</action><action>RUN x</action></buildstage>
		<buildstage id="only"><action>FROM debian:12</action></buildstage>
		<buildstage id="one"><prestage>base</prestage><action>RUN x</action></buildstage>
		<buildstage id="two"><prestage>base</prestage></buildstage>
		<buildstage id="two-start"><prestage>base</prestage></buildstage>
		<buildstage id="`+long+`"><prestage>base</prestage></buildstage>
		<buildstage id="beside"><action>FROM debian:12</action><action>COPY --from=base /x /x</action></buildstage>`)
	p, err := plan.NewPlan(d, plan.DefaultTargets(d), inputs())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range p.Stages {
		got[p.Stages[i].ID] = strings.ReplaceAll(strings.Join(imageNames(p, "b", p.Stages[i].ID), " "), ImageName("b", ""), "")
	}
	want := map[string]string{
		"base": "base one-start two-start-start", "only": "only only-start", "one": "one", "two": "two", "two-start": "two-start", long: long, "beside": "beside",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("names (-got +want):\n%s", diff)
	}
	for stage, want := range map[string]int{"base": 1, "two": 0, long: 0} {
		if got := startName(p, "b", stage); len(got) != want {
			t.Errorf("the start of %s is %v", stage, got)
		}
	}
}
