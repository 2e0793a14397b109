// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Paths see the variables of their own stage at that point, of the stages it is
// based on, and of the base image; keys depend on the result.
func TestVariablesOfStages(t *testing.T) {
	const text = `
		<buildstage id="base"><action>FROM debian:12</action><action>ENV APP=/srv/app OWN=$IMAGE/own</action></buildstage>
		<buildstage id="s"><prestage>base</prestage>
			<action>WORKDIR $APP</action><action>ENV APP=/opt</action><action>WORKDIR $APP</action>
			<action>WORKDIR ${OWN}</action><action>WORKDIR ${IMAGE}</action>
		</buildstage>`
	d := decltest.Parse(t, text)
	in := inputs()
	if _, err := NewPlan(d, []string{"s"}, in); err == nil || !strings.Contains(err.Error(), "debian:12") {
		t.Errorf("without the image's variables: %v", err)
	}
	plan := func(env ...string) *Plan {
		in.Environments = map[string][]string{"debian:12": env}
		p, err := NewPlan(d, []string{"s"}, in)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan("IMAGE=/img", "APP=not this")
	var got []string
	for _, s := range p.Stages[1].Steps {
		got = append(got, destination(s.Action))
	}
	if want := "/srv/app  /opt /img/own /img"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if d.Stages[1].Actions[0].(*decl.Workdir).Dir != "$APP" {
		t.Error("the declaration itself was changed")
	}
	other := plan("IMAGE=/other")
	for i, same := range []bool{true, true, true, false, false} {
		if (p.Stages[1].Steps[i].Key == other.Stages[1].Steps[i].Key) != same {
			t.Errorf("step %d has the same key: want %v", i, same)
		}
	}
	in.Environments = map[string][]string{"debian:12": nil}
	var de *finding.ListError
	if _, err := NewPlan(d, []string{"s"}, in); !errors.As(err, &de) || !strings.Contains(de.Error(), `"IMAGE" is not set`) || de.Findings[0].Span.Line == 0 {
		t.Errorf("a variable that is not set: %v", err)
	}
}

// destination is the path or user of an action.
func destination(a Action) string {
	switch a := a.(type) {
	case *Copy:
		return a.Dest
	case *Workdir:
		return a.Dir
	case *User:
		return a.Name
	}
	return ""
}
