// SPDX-License-Identifier: MPL-2.0

package history

import (
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Each stage of a plan that is remembered, and each build with a log, is a unit.
func TestUnits(t *testing.T) {
	h := History{Dir: filepath.Join(t.TempDir(), "history")}
	if units, err := h.Units(); err != nil || len(units) != 0 {
		t.Errorf("of nothing: %v, %v", units, err)
	}
	p := &plan.Plan{Stages: []plan.Job{{ID: "a"}, {ID: "b", Parent: "a"}}}
	if err := h.Write("x.xml", p, "1"); err != nil {
		t.Fatal(err)
	}
	if units, err := h.Units(); err != nil || len(units) != 2 {
		t.Errorf("of a plan with two stages: %v, %v", units, err)
	}
	logs := t.TempDir()
	for _, id := range []string{"1", "2"} {
		if err := WritePlan(filepath.Join(logs, id), p); err != nil {
			t.Fatal(err)
		}
	}
	units, err := LogUnits(logs)
	if err != nil || len(units) != 2 || filepath.Base(units[0].Path) != "1" || units[0].Size == 0 {
		t.Errorf("of two builds: %v, %v", units, err)
	}
}
