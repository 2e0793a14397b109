// SPDX-License-Identifier: MPL-2.0

package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestActs(t *testing.T) {
	for _, r := range "\x00\t\n\x1b\x7f\u0080\u009b\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\u206a\ufeff\U000e0041" {
		if !Acts(r) {
			t.Errorf("%U is let through", r)
		}
	}
	for _, r := range " ~\u00a0é\u2027\u202f\u2065漢\ufffd" {
		if Acts(r) {
			t.Errorf("%U is held back", r)
		}
	}
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain ~ é 漢":                 "plain ~ é 漢",
		"a\tb":                        "a b",
		"z\n::set-output name=x::y":   "z\ufffd::set-output name=x::y", // not where a line begins
		"::error::x":                  ": :error::x",
		" \t::warning ::x":            "  : :warning ::x",
		"a ##[error]b":                "a # #[error]b",
		"##vso[task.setvariable]x":    "# #vso[task.setvariable]x",
		"###[group]##teamcity[x '1']": "## #[group]# #teamcity[x '1']",
		"## a heading [1]":            "## a heading [1]",
		"\x1b[2J\r\u009b1m":           "\ufffd[2J\ufffd\ufffd1m",
		"\xff\xfe":                    "\ufffd\ufffd",
		"\u202egnp.exe":               "\ufffdgnp.exe",
	} {
		if got := Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	got, want := Text("one\n::set-output name=x::y\ncarosbuild: all is well\n\n"), "one\n  : :set-output name=x::y\n  carosbuild: all is well"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A document says the same after it was made fit to be printed.
func TestJSON(t *testing.T) {
	want := "a\x1b##[b]\u009b\u202e\U000e0041é\U0001F600\xff"
	doc, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	safe := JSON(doc)
	for _, r := range string(safe) {
		if Acts(r) {
			t.Errorf("%U is let through: %q", r, safe)
		}
	}
	var got string
	if err := json.Unmarshal(safe, &got); err != nil || got != strings.ToValidUTF8(want, "\ufffd") {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if bytes.Contains(safe, []byte("##")) {
		t.Errorf("a command is left: %q", safe)
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := &Writer{W: &out}
	for _, s := range []string{"one", "\x1b\n::error::x\ntw", "o\n", "rest"} {
		if n, err := fmt.Fprint(w, s); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got, want := out.String(), "one\ufffd\n: :error::x\ntwo\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzText(f *testing.F) {
	f.Add("::a\n##[b]\r\x1b\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !utf8.ValidString(got) {
			t.Errorf("not UTF-8: %q", got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if strings.IndexFunc(line, Acts) >= 0 || Defuse(line) != line {
				t.Errorf("%q becomes %q", s, got)
			}
		}
	})
}

// A runner trims any white space before it looks for a command.
func TestCommandsBehindBlanks(t *testing.T) {
	for _, blank := range []string{"", " ", "\t", "\u00a0", "\u2003", "\u3000", " \u00a0 "} {
		line := Line(blank + "::set-output name=x::y")
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("%q: %q", blank, line)
		}
	}
}
