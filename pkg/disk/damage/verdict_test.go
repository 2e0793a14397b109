// SPDX-License-Identifier: MPL-2.0

package damage

import (
	"errors"
	"fmt"
	"testing"
)

func TestVerdict(t *testing.T) {
	fault, unread := Problem{Where: "a", Text: "b"}, Problem{Where: "a", Text: "b", Unread: true}
	for _, tt := range []struct {
		problems []Problem
		want     Verdict
	}{
		{nil, Sound},
		{[]Problem{unread}, Unread},
		{[]Problem{fault}, Damaged},
		{[]Problem{unread, fault}, Damaged},
		{In("x", []Problem{unread}), Unread},
	} {
		if got := VerdictOf(tt.problems); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.problems, got, tt.want)
		}
	}
	if got := In("x", []Problem{unread})[0].String(); got != "x: a: not read: b" {
		t.Errorf("got %q", got)
	}
}

// TestMore keeps the verdict of problems that a list drops.
func TestMore(t *testing.T) {
	var l List
	for range Max + 1 {
		l.AddUnread("a", "b")
	}
	if got := VerdictOf(l.Problems()); got != Unread {
		t.Errorf("only what is not read: %s", got)
	}
	l.add(Of("a", errors.New("fault")))
	if got := VerdictOf(l.Problems()); got != Damaged {
		t.Errorf("a fault after many others: %s", got)
	}
}

func TestOf(t *testing.T) {
	err := fmt.Errorf("open: %w", fmt.Errorf("no format: %w", Unreadf("feature %d", 7)))
	if p := Of("fs", err); !p.Unread || p.Text != "open: no format: feature 7" {
		t.Errorf("got %+v", p)
	}
	if p := Of("fs", errors.New("damage")); p.Unread {
		t.Errorf("got %+v", p)
	}
}
