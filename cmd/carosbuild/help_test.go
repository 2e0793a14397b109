// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// everyCommand calls f for a command and all below it.
func everyCommand(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		everyCommand(sub, f)
	}
}

// TestHelpWidth: no line of any command's help is wider than a window of two
// columns of text, and the description is one line that begins with a verb.
func TestHelpWidth(t *testing.T) {
	a := &cli.App{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}
	commands := 0
	everyCommand(command(a), func(cmd *cobra.Command) {
		commands++
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > helpColumns {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), n, line)
			}
		}
		if s := cmd.Short; s == "" || len(s) > helpColumns-16 || s[0] < 'A' || s[0] > 'Z' || strings.HasSuffix(s, ".") {
			t.Errorf("%s: the short description is %q", cmd.CommandPath(), s)
		}
	})
	if commands < 20 {
		t.Errorf("only %d commands", commands)
	}
}

// TestFold: a terminal that is narrower than the text gets no short lines in between.
func TestFold(t *testing.T) {
	const text = "One two three four\nfive six.\n\n  an example that stays as it is\nseven\neight"
	for columns, want := range map[int]string{
		10:  "One two\nthree four\nfive six.\n\n  an example that stays as it is\nseven\neight",
		14:  "One two three\nfour five six.\n\n  an example that stays as it is\nseven eight",
		100: "One two three four five six.\n\n  an example that stays as it is\nseven eight",
		3:   "One\ntwo\nthree\nfour\nfive\nsix.\n\n  an example that stays as it is\nseven\neight",
	} {
		if diff := cmp.Diff(fold(text, columns), want); diff != "" {
			t.Errorf("%d columns (-got +want):\n%s", columns, diff)
		}
	}
}

func TestManPages(t *testing.T) {
	dir := t.TempDir()
	a := &cli.App{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }}
	root := command(a)
	if err := writeMan(root, dir); err != nil {
		t.Fatal(err)
	}
	everyCommand(root, func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd.HasParent() {
			return
		}
		page, err := os.ReadFile(filepath.Join(dir, manName(cmd)+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		for _, want := range []string{".SH NAME\n" + roff(manName(cmd)), ".SH SYNOPSIS\n", roff("--progress")} {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s.1 lacks %q", manName(cmd), want)
			}
		}
	})
	for _, in := range []string{".hidden command", "a\n'quoted", `back\slash - dash`} {
		if got := roff(in); strings.HasPrefix(got, ".") || strings.Contains(got, "\n'") {
			t.Errorf("roff(%q) = %q", in, got)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return // what it thinks of a page is a courtesy
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}

func TestRecordedVersion(t *testing.T) {
	set := func(pairs ...string) []debug.BuildSetting {
		var out []debug.BuildSetting
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, debug.BuildSetting{Key: pairs[i], Value: pairs[i+1]})
		}
		return out
	}
	revision := strings.Repeat("0123456789", 4)
	for want, bi := range map[string]*debug.BuildInfo{
		"v1.2.3":                               {Main: debug.Module{Version: "v1.2.3"}},
		"012345678901 of 2026-11-29":           {Main: debug.Module{Version: "(devel)"}, Settings: set("vcs.revision", revision, "vcs.time", "2026-11-29T10:00:00Z", "vcs.modified", "false")},
		"012345678901-dirty":                   {Main: debug.Module{Version: "(devel)"}, Settings: set("vcs.revision", revision, "vcs.modified", "true")},
		"unknown (not built from a git clone)": {Main: debug.Module{Version: "(devel)"}},
	} {
		if got := recordedVersion(bi); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
