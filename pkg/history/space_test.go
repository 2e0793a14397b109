// SPDX-License-Identifier: MPL-2.0

package history

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// A first build is known to take what its packages say, a later one what the
// last took, and what is cached takes nothing.
func TestPredict(t *testing.T) {
	dir := t.TempDir()
	h := History{Dir: filepath.Join(dir, "history")}
	logs := filepath.Join(dir, "logs")
	p := &plan.Plan{Stages: []plan.Job{
		{ID: "base", Steps: []plan.Step{{Kind: plan.BootstrapKind, Key: "1"}}},
		{ID: "top", Parent: "base", Steps: []plan.Step{{Kind: "RUN", Text: "make", Key: "2"}, {Kind: "ADD", Text: "x /", Key: "3"}}},
	}}
	p.Stages[0].Steps[0].Action = &plan.Bootstrap{Packages: &debian.Resolution{Packages: []debian.Package{{Size: 300, Sum: "a", Installed: 1000}, {Size: 100, Sum: "b"}}}}
	f := &debian.Fetcher{Cache: dir}
	check := func(what string, layers, downloads, base, top int64) *Forecast {
		t.Helper()
		got := h.Predict("a.xml", p, f, logs)
		if diff := cmp.Diff([]int64{got.Layers, got.Downloads, got.Stages["base"], got.Stages["top"]}, []int64{layers, downloads, base, top}); diff != "" {
			t.Errorf("%s: layers, downloads, base, top (-got +want):\n%s", what, diff)
		}
		return got
	}
	first := check("first build", 1100, 400, 1100, 1100)
	k := &decl.Disk{ID: "d", Stage: "top"}
	if got := first.Output("vmdk", k); got != 110 {
		t.Errorf("first VMDK: %d bytes, want 10 %% of 1100", got)
	}
	if err := h.Write("a.xml", p, "b1"); err != nil {
		t.Fatal(err)
	}
	report := &Report{Schema: ReportSchema, BuildID: "b1", Disk: "d", Stages: []StageReport{
		{ID: "base", Status: Done, Steps: []StepReport{{Kind: plan.BootstrapKind, Size: 900}}},
		{ID: "top", Status: Done, Steps: []StepReport{{Kind: "RUN", Text: "make", Size: 5000}, {Kind: "ADD", Text: "x /", Size: 140}}},
	}, Outputs: []Output{{Format: "vmdk", Size: 1230}}}
	if err := WriteReport(filepath.Join(logs, "b1"), report); err != nil {
		t.Fatal(err)
	}
	again := check("from nothing once more", 900+5000+70, 400, 900, 5970)
	for format, want := range map[disk.Format]int64{"vmdk": 984, "raw": 1791, "qcow2": 1791, "ova": 597} {
		if got := again.Output(format, k); got != want {
			t.Errorf("%s: %d bytes, want %d", format, got, want)
		}
	}
	p.Stages[0].Steps[0].Cached, p.Stages[1].Steps[0].Cached = true, true
	check("one step", 70, 0, 900, 5970)
	p.Stages[1].Steps[1].Cached = true
	check("nothing", 0, 0, 900, 5970)
	p.Stages[1].Steps[0].Text, p.Stages[1].Steps[0].Cached, p.Stages[1].Steps[1].Cached = "make less", false, false
	smaller := check("another command", 70, 0, 900, 970)
	for path, want := range map[string]int{"-": 0, filepath.Join(dir, "new.raw"): 1, "/dev/null": 0} {
		if got := smaller.OutputClaims(k, []disk.Output{{Path: path, Format: "raw"}}); len(got) != want {
			t.Errorf("claims of --out %s: %v", path, got)
		}
	}
}
