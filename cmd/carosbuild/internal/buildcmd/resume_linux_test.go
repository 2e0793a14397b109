// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/plan"
)

// parsed is a build whose options were given, and its command.
func parsed(t *testing.T, resumed *resumption, args ...string) (*buildCommand, *cobra.Command) {
	t.Helper()
	c := newBuild(&cli.App{Getenv: func(string) string { return "" }, Stderr: new(strings.Builder)})
	c.resumed = resumed
	cmd := &cobra.Command{Use: "x"}
	c.flags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	c.declFiles = cmd.Flags().Args()
	return c, cmd
}

// What a build notes of its command gives the same command again, but for what is not to
// be repeated; options that are given count instead.
func TestCommandComesBack(t *testing.T) {
	c, cmd := parsed(t, nil, "a.xml", "b.xml", "-o", "x,y.raw", "-o", "z.raw", "--jobs=3", "-B", "id", "--no-cache", "--update", "--on-failure=shell", "--push-failed", "oci:d",
		"--remote", "a=https://me:secret@example.org/", "--cache-from", "oci:c", "-F", "-a", "URI = ssh://git@example.org/x")
	epoch := int64(7)
	got, err := c.commandOf(cmd, &buildJob{epoch: &epoch})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	want := history.Command{Dir: dir, Files: []string{"a.xml", "b.xml"}, Withheld: []string{"remote"}, Epoch: &epoch, Options: map[string][]string{
		"out": {"x,y.raw", "z.raw"}, "jobs": {"3"}, "push-failed": {"oci:d"}, "cache-from": {"oci:c"}, "append-local-conf": {"URI = ssh://git@example.org/x"}, "skip-failure-commit": {"true"},
	}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	again, cmd := parsed(t, &resumption{id: "id"}, "--jobs=5", "--cache", "oci:other")
	if err := again.applyCommand(cmd, &got, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Out, c.Out) || again.jobs != 5 || again.noCache || again.update || again.onFailure != "" || again.buildID != "id" || !again.forget || again.cache != "oci:other" ||
		!slices.Equal(again.declFiles, want.Files) || !slices.Equal(again.from, []string{"oci:c"}) {
		t.Errorf("got %+v", again)
	}
	got.Options["of-another-version"] = []string{"x"}
	if err := again.applyCommand(cmd, &got, []string{"c.xml"}); err == nil || !strings.Contains(err.Error(), "--of-another-version") {
		t.Errorf("got %v", err)
	}
}

func TestResumptionCheck(t *testing.T) {
	failed := &history.Report{Status: history.Failed, Failed: &history.FailedStep{Stage: "s", Step: 2, Image: "id:s-failure"}}
	for _, tt := range []struct {
		name string
		r    resumption
		want string
	}{
		{"failed", resumption{report: failed}, ""},
		{"failed, and skipped", resumption{report: failed, skip: true, plan: &plan.Plan{}}, ""},
		{"killed", resumption{}, ""},
		{"done", resumption{report: &history.Report{Status: history.Done}}, "has not failed"},
		{"killed, and skipped", resumption{skip: true}, "was not ended by a step"},
		{"interrupted, and skipped", resumption{skip: true, plan: &plan.Plan{}, report: &history.Report{Status: history.Interrupted}}, "was not ended by a step"},
		{"nothing left", resumption{skip: true, plan: &plan.Plan{}, report: &history.Report{Failed: &history.FailedStep{}}}, "no half-done stage"},
		{"a password", resumption{report: failed, command: &history.Command{Withheld: []string{"remote"}}}, "--remote with a password"},
	} {
		if tt.r.command == nil {
			tt.r.command = &history.Command{}
		}
		_, cmd := parsed(t, &tt.r)
		if err := tt.r.check(cmd); (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	r := resumption{report: failed, command: &history.Command{Withheld: []string{"remote"}}}
	if _, cmd := parsed(t, &r, "--remote", "a=b"); r.check(cmd) != nil {
		t.Error("the option was given")
	}
}

// A report of an earlier build of the same id is none.
func TestResumptionRead(t *testing.T) {
	dir := t.TempDir()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := (&resumption{}).read(dir); err == nil || !strings.Contains(err.Error(), "there is no build") {
		t.Errorf("of no build: %v", err)
	}
	if err := history.WriteCommand(dir, history.Command{Started: began}); err != nil {
		t.Fatal(err)
	}
	for end, want := range map[time.Duration]bool{-time.Second: false, time.Second: true} {
		if err := history.WriteReport(dir, &history.Report{Schema: history.ReportSchema, End: began.Add(end)}); err != nil {
			t.Fatal(err)
		}
		r := &resumption{}
		if err := r.read(dir); err != nil || (r.report != nil) != want || r.plan != nil {
			t.Errorf("%v: %+v, %v", end, r, err)
		}
	}
}

func TestRunning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b1")
	if runs(dir) {
		t.Error("a build that never was runs")
	}
	first, err := hold(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := hold(dir)
	if err != nil || !runs(dir) {
		t.Errorf("two of an id: %v, %v", err, runs(dir))
	}
	if err := errors.Join(first(), second()); err != nil || runs(dir) {
		t.Errorf("after their end: %v, %v", err, runs(dir))
	}
}

// Steps that were skipped before stay so, as long as what comes before them is the same.
func TestSkippedStepsStay(t *testing.T) {
	key := func(c string) string { return strings.Repeat(c, 64) }
	job := func() *buildJob {
		return &buildJob{plan: &plan.Plan{Version: plan.Version, Stages: []plan.Job{{ID: "s", Key: key("2"), Steps: []plan.Step{{Key: key("1"), Action: &plan.Run{}}, {Key: key("2"), Action: &plan.Run{}}}}}}}
	}
	skipped := []history.SkippedStep{{Stage: "s", Step: 2, Image: "i", Before: key("1")}}
	r := &resumption{command: &history.Command{Skipped: skipped}}
	c, _ := parsed(t, r)
	j := job()
	if err := c.skipSteps(j); err != nil || !slices.Equal(j.skipped, skipped) || !slices.Equal(j.info.Skipped, []string{"s"}) || j.plan.Stages[0].Steps[1].Key == key("2") {
		t.Errorf("%v, %+v", err, j)
	}
	j = job()
	j.plan.Stages[0].Steps[0].Key = key("3")
	if err := c.skipSteps(j); err != nil || j.skipped != nil || j.plan.Stages[0].Steps[1].Key != key("2") {
		t.Errorf("%v, %+v", err, j)
	}
	if text := c.Stderr.(*strings.Builder).String(); !strings.Contains(text, "step 2 of stage s is not skipped any more") {
		t.Errorf("warned %q", text)
	}
	c, _ = parsed(t, nil)
	if err := c.skipSteps(j); err != nil || j.skipped != nil {
		t.Errorf("a build of its own: %v, %+v", err, j.skipped)
	}
}
