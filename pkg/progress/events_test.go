// SPDX-License-Identifier: MPL-2.0

package progress

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Scripts read events by these names, one in a line.
func TestEventsAsJSON(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for want, e := range map[string]Event{
		`{"time":"2026-01-02T03:04:05Z","kind":"note","text":"a"}`:                                                                 {Time: at, Kind: Note, Text: "a"},
		`{"time":"2026-01-02T03:04:05Z","kind":"step-done","stage":"s","step":1,"steps":2,"key":"k","text":"RUN x","seconds":0.5}`: {Time: at, Kind: StepDone, Stage: "s", Step: 1, Steps: 2, Key: "k", Text: "RUN x", Seconds: 0.5},
		`{"time":"2026-01-02T03:04:05Z","kind":"progress","text":"pull","done":3,"total":4,"unit":"packages"}`:                     {Time: at, Kind: Progress, Text: "pull", Done: 3, Total: 4, Unit: "packages"},
		`{"time":"2026-01-02T03:04:05Z","kind":"estimate","seconds":5,"expected_end":"2026-01-02T03:04:05Z","at_least":true}`:      {Time: at, Kind: Estimate, Seconds: 5, ExpectedEnd: at, AtLeast: true},
		`{"time":"2026-01-02T03:04:05Z","kind":"build-started","stages":3,"steps":9,"text":"b1"}`:                                  {Time: at, Kind: Begun, Stages: 3, Steps: 9, Text: "b1"},
	} {
		got, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		if json.Unmarshal(got, &a) != nil || json.Unmarshal([]byte(want), &b) != nil {
			t.Fatalf("%s, %s", got, want)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("(-got +want):\n%s", diff)
		}
		var back Event
		if err := json.Unmarshal(got, &back); err != nil || back != e {
			t.Errorf("%+v came back as %+v, %v", e, back, err)
		}
	}
}

// Each kind has a text of its own.
func TestKindsDiffer(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.ValueSpec); ok && len(s.Values) == 1 {
			text, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
			if err != nil || text == "" || seen[text] {
				t.Errorf("%s: %q, %v", s.Names[0], text, err)
			}
			seen[text] = true
		}
		return true
	})
	if !seen[string(StepDone)] || len(seen) != 11 {
		t.Errorf("%d kinds", len(seen))
	}
}
