// SPDX-License-Identifier: MPL-2.0

package history

import "testing"

func TestReportSkip(t *testing.T) {
	r := &Report{Stages: []StageReport{{ID: "a", Steps: []StepReport{{Status: Done}}}, {ID: "s", Steps: []StepReport{{Status: Done, Cached: true}, {Status: Done, Cached: true}}}}}
	if _, _, ok := r.FirstSkipped(); ok {
		t.Error("a step of an honest build counts as skipped")
	}
	for _, n := range []int{0, 2, 3} {
		r.Skip("s", n)
	}
	r.Skip("none", 1)
	if stage, step, ok := r.FirstSkipped(); stage != "s" || step != 2 || !ok {
		t.Errorf("the first one is %s %d, %v", stage, step, ok)
	}
	if a, s := r.Stages[0].Steps, r.Stages[1].Steps; a[0].Status != Done || s[0].Status != Done || !s[0].Cached || s[1].Status != Skipped || s[1].Cached {
		t.Errorf("got %+v", r.Stages)
	}
}

func TestFailureName(t *testing.T) {
	if id, stage, status := ParseImageName(FailureName("b", "s")); id != "b" || stage != "s" || status != Failed {
		t.Errorf("%s, %s, %s", id, stage, status)
	}
}
