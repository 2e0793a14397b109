// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"strings"
	"testing"
)

// TestCollectorBound: the last finding says that there are more. It is an error even
// if all others are warnings.
func TestCollectorBound(t *testing.T) {
	var c Collector
	for range Max {
		c.Warn(Span{File: "a", Line: 1}, "", "%s", "w")
	}
	if c.All.HasErrors() || len(c.All) != Max {
		t.Fatalf("%d findings, errors %v", len(c.All), c.All.HasErrors())
	}
	for range 3 {
		c.Fail(Span{File: "a", Line: 2}, "", "x").Notes = []Note{{Text: "lost"}}
	}
	if len(c.All) != Max+1 || !c.All.HasErrors() || c.All[Max].Summary != tooMany || len(c.All[Max].Notes) > 0 {
		t.Errorf("%d findings, the last one is %+v", len(c.All), c.All[len(c.All)-1])
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{"a b": `"a b"`, "\xff": `"` + "\uFFFD" + `"`, strings.Repeat("ä", 101): `"` + strings.Repeat("ä", 100) + `..."`} {
		if got := Quote(s); got != want {
			t.Errorf("%q: got %q", s, got)
		}
	}
}
