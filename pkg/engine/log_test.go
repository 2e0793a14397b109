// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStepLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b", "s.log")
	var lines []string
	l, err := openStepLog(path, func(s string) { lines = append(lines, s) }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	l.title("RUN x")
	for _, s := range []string{"one\ntw", "o\n", "10%\r20%\r\n", strings.Repeat("x", maxLine+5), "\nlast"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := []string{"one", "two", "20%", strings.Repeat("x", maxLine), "xxxxx", "last"}
	if diff := cmp.Diff(l.tail(), want); diff != "" {
		t.Errorf("tail (-got +want):\n%s", diff)
	}
	l.close()
	if diff := cmp.Diff(lines, want); diff != "" {
		t.Errorf("lines (-got +want):\n%s", diff)
	}
	data, err := os.ReadFile(path)
	if want := "==> RUN x\none\ntwo\n10%\r20%\r\n" + strings.Repeat("x", maxLine+5) + "\nlast"; string(data) != want || err != nil {
		t.Errorf("file has %q, want %q (%v)", data, want, err)
	}
}

func TestStepLogKeepsTheLast(t *testing.T) {
	l, err := openStepLog(filepath.Join(t.TempDir(), "s.log"), func(string) {}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.Write([]byte(strings.Repeat("a\n", 100) + "z\n"))
	if got := l.tail(); len(got) != tailLines || got[tailLines-1] != "z" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	l.title("next")
	if got := l.tail(); len(got) != 0 {
		t.Errorf("the next step begins with %q", got)
	}
}

// A full disk is reported once, and the step goes on: its output is still shown.
func TestStepLogOnAFullDisk(t *testing.T) {
	for name, first := range map[string]func(*stepLog){"title": func(l *stepLog) { l.title("RUN x") }, "output": func(*stepLog) {}} {
		var lines, lost []string
		l, err := openStepLog("/dev/full", func(s string) { lines = append(lines, s) }, func(err error) { lost = append(lost, err.Error()) })
		if err != nil {
			t.Fatal(err)
		}
		first(l)
		for _, s := range []string{"one\n", "two\n"} {
			if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("%s: %d bytes, %v", name, n, err)
			}
		}
		l.close()
		if diff := cmp.Diff(lines, []string{"one", "two"}); diff != "" {
			t.Errorf("%s: lines (-got +want):\n%s", name, diff)
		}
		if len(lost) != 1 || !strings.Contains(lost[0], "no space left") {
			t.Errorf("%s: said %q", name, lost)
		}
	}
}
