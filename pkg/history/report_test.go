// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// recorded plays events of three stages: one is done, one is in its second
// step, one has not begun.
func recorded(t *testing.T) *Recorder {
	t.Helper()
	step := func(kind, text string) plan.Step { return plan.Step{Kind: kind, Text: text} }
	p := &plan.Plan{Targets: []string{"c"}, Stages: []plan.Job{
		{ID: "a", Key: "ka", Steps: []plan.Step{step("FROM", "scratch"), step("RUN", "x")}},
		{ID: "b", Key: "kb", Steps: []plan.Step{step("RUN", "y"), step("RUN", "z"), step("RUN", "never")}},
		{ID: "c", Key: "kc", Steps: []plan.Step{step("RUN", "w")}},
	}}
	r := NewRecorder(p, at(0))
	passed := 0
	show := r.Tee(func(progress.Event) { passed++ })
	events := []progress.Event{
		{Time: at(1), Kind: progress.StepCached, Stage: "a", Step: 1},
		{Time: at(1), Kind: progress.StepStarted, Stage: "a", Step: 2},
		{Time: at(2), Kind: progress.StepOutput, Stage: "a", Text: "hello"},
		{Time: at(3), Kind: progress.StepDone, Stage: "a", Step: 2, Seconds: 2},
		{Time: at(3), Kind: progress.StageDone, Stage: "a", Seconds: 2.5},
		{Time: at(3), Kind: progress.StepStarted, Stage: "b", Step: 1},
		{Time: at(4), Kind: progress.StepDone, Stage: "b", Step: 1, Seconds: 1},
		{Time: at(4), Kind: progress.StepStarted, Stage: "b", Step: 2},
		{Time: at(4), Kind: progress.Progress, Text: "write x", Done: 10, Total: 20},
		{Time: at(5), Kind: progress.Progress, Text: "write x", Done: 20, Total: 20},
		{Time: at(6), Kind: progress.ProgressEnd, Text: "write x"},
	}
	for _, e := range events {
		show(e)
	}
	if passed != len(events) {
		t.Errorf("%d events went on, want %d", passed, len(events))
	}
	return r
}

func at(sec int64) time.Time { return time.Unix(sec, 0).UTC() }

func TestRecorder(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	failed := &plan.StepError{Stage: "b", Kind: "RUN", Text: "z", Status: 7, Tail: []string{"no"}, Image: "id:b-failure"}
	for _, tt := range []struct {
		name        string
		ctx         context.Context
		err         error
		want, stage Status
		step        Status
		failed      *FailedStep
	}{
		{"failed step", t.Context(), fmt.Errorf("build: %w", failed), Failed, Failed, Failed, &FailedStep{Stage: "b", Step: 2, Kind: "RUN", Text: "z", Status: 7, Tail: []string{"no"}, Image: "id:b-failure"}},
		{"interrupted", gone, context.Canceled, Interrupted, Interrupted, Interrupted, nil},
		{"a disk", t.Context(), errors.New("no space"), Failed, Interrupted, Interrupted, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := recorded(t).Report(tt.ctx, Made{BuildID: "id", Images: map[string]string{"a": "ia"}}, at(9), tt.err)
			want := []StageReport{
				{ID: "a", Key: "ka", Image: "ia", Status: Done, Started: at(1), Seconds: 2.5, Log: "a.log", Steps: []StepReport{
					{Kind: "FROM", Text: "scratch", Status: Done, Cached: true, Started: at(1)},
					{Kind: "RUN", Text: "x", Status: Done, Started: at(1), Seconds: 2},
				}},
				{ID: "b", Key: "kb", Status: tt.stage, Started: at(3), Seconds: 6, Log: "b.log", Steps: []StepReport{
					{Kind: "RUN", Text: "y", Status: Done, Started: at(3), Seconds: 1},
					{Kind: "RUN", Text: "z", Status: tt.step, Started: at(4), Seconds: 5},
					{Kind: "RUN", Text: "never", Status: NotRun},
				}},
				{ID: "c", Key: "kc", Status: NotRun, Steps: []StepReport{{Kind: "RUN", Text: "w", Status: NotRun}}},
			}
			if diff := cmp.Diff(got.Stages, want); diff != "" {
				t.Errorf("stages (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(got.Activities, []Activity{{Text: "write x", Started: at(4), Seconds: 2, Done: 20}}); diff != "" {
				t.Errorf("activities (-got +want):\n%s", diff)
			}
			if diff := cmp.Diff(got.Failed, tt.failed); diff != "" {
				t.Errorf("failed step (-got +want):\n%s", diff)
			}
			if got.Status != tt.want || got.BuildID != "id" || !got.Start.Equal(at(0)) || !got.End.Equal(at(9)) {
				t.Errorf("status %s, id %s, from %s to %s", got.Status, got.BuildID, got.Start, got.End)
			}
		})
	}
}

func TestReportFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := ReadReport(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no report: %v, want fs.ErrNotExist", err)
	}
	want := &Report{Schema: ReportSchema, BuildID: "x", Status: Done, Start: at(1), End: at(2), Outputs: []Output{{Path: "/a", Size: 1 << 40, ModTime: at(3), Inode: 1 << 63}}}
	for range 2 { // it replaces an older one
		if err := WriteReport(dir, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadReport(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("report (-got +want):\n%s", diff)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("beside the report: %v %v", names, err)
	}
}

func TestReadReportRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"newer":    {`{"schema": 2}`, "schema 2"},
		"none":     {`{}`, "schema 0"},
		"cut off":  {`{"schema": 1`, "unexpected end"},
		"too long": {strings.Repeat(" ", maxReport+1), "more than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, ReportName), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadReport(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
