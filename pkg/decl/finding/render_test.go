// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// only is the text of one file.
func only(name, text string) func(file string) ([]byte, bool) {
	return func(file string) ([]byte, bool) { return []byte(text), file == name }
}

func TestRender(t *testing.T) {
	text := only("a.xml", "one\n\ttwo three\nfour")
	tests := []struct {
		name  string
		f     Finding
		color bool
		want  string
	}{
		{
			"plain",
			Finding{Span: Span{"a.xml", 2, 2, 3}, Summary: "bad"},
			false,
			"a.xml:2:2: error: bad\n    2 |\ttwo three\n      |\t^^^\n",
		},
		{
			"hint and note",
			Finding{
				Severity: Warning, Span: Span{"a.xml", 2, 6, 5}, Summary: "odd", Hint: "mend it",
				Notes: []Note{{Span{"b.xml", 7, 8, 1}, "see"}},
			},
			false,
			"a.xml:2:6: warning: odd\n    2 |\ttwo three\n      |\t    ^^^^^ mend it\nb.xml:7:8: note: see\n",
		},
		{
			"colours",
			Finding{Span: Span{"a.xml", 1, 1, 3}, Summary: "bad", Hint: "mend it"},
			true,
			"\x1b[1ma.xml:1:1:\x1b[0m \x1b[1;31merror\x1b[0m: bad\n    1 |one\n      |\x1b[1;32m^^^\x1b[0m \x1b[1;32mmend it\x1b[0m\n",
		},
		{
			"end of line",
			Finding{Span: Span{"a.xml", 3, 5, 1}, Summary: "bad"},
			false,
			"a.xml:3:5: error: bad\n    3 |four\n      |    ^\n",
		},
		{
			"without the file",
			Finding{Span: Span{"b.xml", 1, 1, 3}, Summary: "bad", Hint: "mend it"},
			false,
			"b.xml:1:1: error: bad\n      = mend it\n",
		},
		{
			"without the line",
			Finding{Span: Span{"a.xml", 9, 1, 3}, Summary: "bad"},
			false,
			"a.xml:9:1: error: bad\n",
		},
		{
			"escapes",
			Finding{
				Span: Span{"\x1b[2J.xml", 1, 1, 1}, Summary: "a\nb\tc\x07\xff\u009b\U000e0001\ufffd", Hint: "\u202e",
				Notes: []Note{{Span{"\r", 1, 1, 1}, "\x1b"}},
			},
			false,
			`\x1b[2J.xml:1:1: error: a\nb\tc\x07\xff\x9b\U000e0001` + "\ufffd\n      = \\u202e\n\\r:1:1: note: \\x1b\n",
		},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		if err := (Findings{tt.f}).Render(&out, text, tt.color); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(out.String(), tt.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.name, diff)
		}
	}
}

// TestRenderNumbers: the bars are aligned whatever the line number.
func TestRenderNumbers(t *testing.T) {
	var out strings.Builder
	fs := Findings{{Span: Span{"a", 1234568, 1, 1}, Summary: "s"}}
	if err := fs.Render(&out, only("a", strings.Repeat("\n", 1234567)+"x"), false); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	want := "a:1234568:1: error: s\n1234568 |x\n        |^\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestRenderError(t *testing.T) {
	err := Findings{{Summary: "x"}}.Render(brokenWriter{}, only("", ""), false)
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v, want the error of the writer", err)
	}
}

func TestUnderline(t *testing.T) {
	long := strings.Repeat("0123456789", 100)
	tests := []struct {
		name, line          string
		col, length         int
		text, blank, marker string
	}{
		{"tab before", "\t\tx", 3, 1, "\t\tx", "\t\t", "^"},
		{"tab inside", "a\tb", 1, 3, "a\tb", "", "^\t^"},
		{"only a tab", "\t", 1, 1, "\t", "", "^"},
		{"wide", "漢字x", 3, 1, "漢字x", "    ", "^"},
		{"wide marked", "漢字x", 1, 2, "漢字x", "", "^^^^"},
		{"combining", "e\u0301x", 3, 1, "e\u0301x", " ", "^"},
		{"emoji", "😀x", 2, 1, "😀x", "  ", "^"},
		{"control", "\x1bx", 2, 1, `\x1bx`, "    ", "^"},
		{"broken", "\xffx", 2, 1, `\xffx`, "    ", "^"},
		{"long, start", long, 1, 2, long[:120] + "...", "", "^^"},
		{"long, middle", long, 501, 2, "..." + long[440:560] + "...", strings.Repeat(" ", 63), "^^"},
		{"long, end", long, 1000, 1, "..." + long[880:], strings.Repeat(" ", 122), "^"},
	}
	for _, tt := range tests {
		text, blank, marker := underline([]byte(tt.line), Span{Line: 1, Col: tt.col, Len: tt.length})
		if diff := cmp.Diff([]string{text, blank, marker}, []string{tt.text, tt.blank, tt.marker}); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.name, diff)
		}
	}
}
