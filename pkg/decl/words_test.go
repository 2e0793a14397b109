// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shlex splits a text into words as redomat did for RUN, by Python's
// shlex.split: quotes and backslashes count, nothing else does. active says
// that a shell would see more in it than words.
func shlex(text string) (words []string, active bool, err error) {
	const more = "&|;<>()$`*?[#~{!\n"
	var word strings.Builder
	inWord, quote, escaped := false, rune(0), false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(r)
			escaped = false
		case quote == '\'' && r != '\'':
			word.WriteRune(r)
		case r == '\\':
			inWord, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == '"':
			active = active || strings.ContainsRune("$`", r)
			word.WriteRune(r)
		case r == '"' || r == '\'':
			inWord, quote = true, r
		case strings.ContainsRune(" \t\r\n", r):
			active = active || r == '\n'
			if inWord {
				words = append(words, word.String())
			}
			inWord = false
			word.Reset()
		default:
			active = active || strings.ContainsRune(more, r)
			inWord = true
			word.WriteRune(r)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	if quote != 0 || escaped {
		err = errors.New("no closing quotation")
	}
	return words, active, err
}

// shellWords are the words into which the shell splits a text.
func shellWords(t *testing.T, text string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", "printf '%s\\0' "+text).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

func TestShlex(t *testing.T) {
	for _, tt := range []struct {
		text   string
		words  []string
		active bool
	}{
		{`install -d /REDO`, []string{"install", "-d", "/REDO"}, false},
		{`echo "a  b" 'c "d' e\ f`, []string{"echo", "a  b", `c "d`, "e f"}, false},
		{`echo "a\"b" "c\nd" ''`, []string{"echo", `a"b`, `c\nd`, ""}, false},
		{`sh -c "a && b > c"`, []string{"sh", "-c", "a && b > c"}, false},
		{`sh -c 'echo $HOME'`, []string{"sh", "-c", "echo $HOME"}, false},
		{`a && b`, []string{"a", "&&", "b"}, true},
		{`echo $HOME`, []string{"echo", "$HOME"}, true},
		{`echo "$HOME"`, []string{"echo", "$HOME"}, true},
		{`ls *.ipk`, []string{"ls", "*.ipk"}, true},
		{`echo a#b #c`, []string{"echo", "a#b", "#c"}, true},
	} {
		words, active, err := shlex(tt.text)
		if err != nil || active != tt.active {
			t.Errorf("%s: active %v, want %v (%v)", tt.text, active, tt.active, err)
		}
		if diff := cmp.Diff(words, tt.words); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tt.text, diff)
		}
		if !active {
			if diff := cmp.Diff(shellWords(t, tt.text), words); diff != "" {
				t.Errorf("%s: the shell and redomat (-shell +redomat):\n%s", tt.text, diff)
			}
		}
	}
}

// TestRunMeansTheSame compares, for each RUN of the published declarations, the
// words that redomat executed with those that the shell gets.
func TestRunMeansTheSame(t *testing.T) {
	files, err := filepath.Glob("../../../shared/declarations/*/*.xml")
	if err != nil || len(files) == 0 {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatal("the published declarations are not here")
		}
		t.Skip("the published declarations are not here: ", err)
	}
	runs := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := Parse(Source{Name: name, Data: data})

		if d == nil {
			t.Fatalf("%s cannot be read", name)
		}
		for _, s := range d.Stages {
			for _, a := range s.Actions {
				run, ok := a.(*Run)
				if !ok || run.Argv != nil {
					continue
				}
				runs++
				words, active, err := shlex(run.Text)
				if active || err != nil {
					t.Errorf("%s:%d: a shell sees more than words in %q (%v)", name, run.Span.Line, run.Text, err)
					continue
				}
				if diff := cmp.Diff(shellWords(t, run.Text), words); diff != "" {
					t.Errorf("%s:%d: the shell and redomat (-shell +redomat):\n%s", name, run.Span.Line, diff)
				}
			}
		}
	}
	if runs < 20 {
		t.Errorf("only %d RUN actions were found", runs)
	}
}
