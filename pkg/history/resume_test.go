// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/plan"
)

func TestResumptionCheck(t *testing.T) {
	failed := &Report{Status: Failed, Failed: &FailedStep{Stage: "s", Step: 2, Image: "id:s-failure"}}
	for _, tt := range []struct {
		name string
		r    Resumption
		want string
	}{
		{"failed", Resumption{Report: failed}, ""},
		{"failed, and skipped", Resumption{Report: failed, Skip: true, Plan: &plan.Plan{}}, ""},
		{"killed", Resumption{}, ""},
		{"done", Resumption{Report: &Report{Status: Done}}, "has not failed"},
		{"killed, and skipped", Resumption{Skip: true}, "was not ended by a step"},
		{"interrupted, and skipped", Resumption{Skip: true, Plan: &plan.Plan{}, Report: &Report{Status: Interrupted}}, "was not ended by a step"},
		{"nothing left", Resumption{Skip: true, Plan: &plan.Plan{}, Report: &Report{Failed: &FailedStep{}}}, "no half-done stage"},
		{"a password", Resumption{Report: failed, Command: &Command{Withheld: []string{"remote"}}}, "--remote with a password"},
		{"a password that is given", Resumption{Report: failed, Command: &Command{Withheld: []string{"given"}}}, ""},
	} {
		if tt.r.Command == nil {
			tt.r.Command = &Command{}
		}
		if err := tt.r.Check(func(name string) bool { return name == "given" }); (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A report of an earlier build of the same id is none.
func TestReadResumption(t *testing.T) {
	logs := t.TempDir()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, id := range []string{"b", "../b", ""} {
		if _, err := ReadResumption(logs, id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
	dir := filepath.Join(logs, "b")
	if err := WriteCommand(dir, Command{Started: began}); err != nil {
		t.Fatal(err)
	}
	for end, want := range map[time.Duration]bool{-time.Second: false, time.Second: true} {
		if err := WriteReport(dir, &Report{Schema: ReportSchema, End: began.Add(end)}); err != nil {
			t.Fatal(err)
		}
		if r, err := ReadResumption(logs, "b"); err != nil || (r.Report != nil) != want || r.Plan != nil || r.ID != "b" {
			t.Errorf("%v: %+v, %v", end, r, err)
		}
	}
}

// twoSteps is a plan of a stage of two steps, with keys of these digits.
func twoSteps(first, second string) *plan.Plan {
	key := func(c string) string { return strings.Repeat(c, 64) }
	return &plan.Plan{Version: plan.Version, Stages: []plan.Job{{ID: "s", Key: key(second), Steps: []plan.Step{{Key: key(first), Action: &plan.Run{}}, {Key: key(second), Action: &plan.Run{}}}}}}
}

// Steps that were skipped stay so as long as what comes before them is the same, and the
// one that has failed now joins them.
func TestResumptionApply(t *testing.T) {
	before := []SkippedStep{{Stage: "s", Step: 2, Image: "i", Before: strings.Repeat("1", 64)}}
	var told []SkippedStep
	tell := func(s SkippedStep) { told = append(told, s) }
	none := func(string) (string, error) { return "", errors.New("no image") }
	r := &Resumption{ID: "b", Command: &Command{Skipped: before}}
	p := twoSteps("1", "2")
	skipped, stages, err := r.Apply(p, none, tell)
	if err != nil || !slices.Equal(skipped, before) || !slices.Equal(stages, []string{"s"}) || p.Stages[0].Steps[1].Key == strings.Repeat("2", 64) || told != nil {
		t.Errorf("%v, %v, %v", skipped, stages, err)
	}
	p = twoSteps("3", "2")
	if skipped, stages, err = r.Apply(p, none, tell); err != nil || skipped != nil || stages != nil || p.Stages[0].Steps[1].Key != strings.Repeat("2", 64) || !slices.Equal(told, before) {
		t.Errorf("what was changed before: %v, %v, %v, told %v", skipped, stages, err, told)
	}
	r = &Resumption{ID: "b", Skip: true, Command: &Command{}, Plan: twoSteps("1", "2"), Report: &Report{Failed: &FailedStep{Stage: "s", Step: 2, Status: 7, Image: "b:s-failure"}}}
	now := func(name string) (string, error) {
		if name != FailureName("b", "s") {
			return none(name)
		}
		return "now", nil
	}
	want := SkippedStep{Stage: "s", Step: 2, Image: "now", Before: strings.Repeat("1", 64), What: "exit status 7"}
	if skipped, _, err = r.Apply(twoSteps("1", "9"), now, tell); err != nil || !slices.Equal(skipped, []SkippedStep{want}) {
		t.Errorf("the step itself has changed: %v, %v", skipped, err)
	}
	if _, _, err = r.Apply(twoSteps("3", "2"), now, tell); !errors.Is(err, ErrChanged) {
		t.Errorf("what was changed before: %v", err)
	}
	if _, _, err = r.Apply(&plan.Plan{}, now, tell); !errors.Is(err, ErrChanged) {
		t.Errorf("without the stage: %v", err)
	}
	if _, _, err = r.Apply(twoSteps("1", "2"), none, tell); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("without the image: %v", err)
	}
}
