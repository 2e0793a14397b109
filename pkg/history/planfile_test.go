// SPDX-License-Identifier: MPL-2.0

package history

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// What is kept of a plan is enough for a shell, and has no password.
func TestPlanFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs", "b1")
	if _, err := ReadPlan(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is written: %v", err)
	}
	p := &plan.Plan{Version: plan.Version, Targets: []string{"s"}, Stages: []plan.Job{{ID: "s", Network: "none", Caches: []plan.Cache{{Path: "/c"}}, Steps: []plan.Step{
		{Kind: "REPOSYNC", Key: strings.Repeat("1", 64), Ingredients: []plan.Ingredient{{Name: "git tree /x"}}, Action: &plan.Reposync{
			Trees: []plan.GitTree{{Path: "/x", URL: "https://h/x"}}, From: []git.Pinned{{URL: "https://me:s3cr3t@h/x", Commit: "1"}},
		}},
		{Kind: "RUN", Text: "make", Key: strings.Repeat("2", 64), Action: &plan.Run{Args: []string{"/bin/sh", "-c", "make"}}},
	}}}}
	if err := WritePlan(dir, p); err != nil {
		t.Fatal(err)
	}
	if got := p.Stages[0].Steps[0]; len(got.Ingredients) != 1 || got.Action.(*plan.Reposync).From[0].URL != "https://me:s3cr3t@h/x" {
		t.Errorf("the plan itself was changed: %+v", got)
	}
	data, err := os.ReadFile(filepath.Join(dir, planName))
	if err != nil || bytes.Contains(data, []byte("s3cr3t")) {
		t.Errorf("%v: the password is in %s", err, data)
	}
	if st, err := os.Stat(filepath.Join(dir, planName)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	got, err := ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := *p
	want.Stages = []plan.Job{p.Stages[0]}
	want.Stages[0].Steps = []plan.Step{p.Stages[0].Steps[0], p.Stages[0].Steps[1]}
	want.Stages[0].Steps[0].Ingredients = nil
	want.Stages[0].Steps[0].Action = &plan.Reposync{Trees: []plan.GitTree{{Path: "/x", URL: "https://h/x"}}, From: []git.Pinned{{URL: git.Redact("https://me:s3cr3t@h/x"), Commit: "1"}}}
	if diff := cmp.Diff(got, &want); diff != "" {
		t.Errorf("plan (-got +want):\n%s", diff)
	}
}
