// SPDX-License-Identifier: MPL-2.0

package terminal

import "testing"

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"", 0, ""},
		{"a", 0, ""},
		{"ab", 1, "…"},
		{"\x1b[2mabcd\x1b[0m", 3, "\x1b[2mab…\x1b[0m"},
		{"日本語", 6, "日本語"},
		{"日本語", 5, "日本…"},
		{"日本語", 4, "日…"},
		{"e\u0301e\u0301", 2, "e\u0301e\u0301"},
		{"a🙂b", 4, "a🙂b"},
	} {
		got := Cut(c.text, c.width)
		if got != c.want {
			t.Errorf("%q in %d columns: got %q, want %q", c.text, c.width, got, c.want)
		}
		if Width(got) > c.width {
			t.Errorf("%q has %d columns, want at most %d", got, Width(got), c.width)
		}
	}
}
