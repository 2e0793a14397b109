// SPDX-License-Identifier: MPL-2.0

package bitbake

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBBLayers(t *testing.T) {
	trees := []Layer{{Name: "a"}, {Name: "oe", Subdirs: []string{"meta-oe", "x/y"}}}
	got := BBLayers(Layers{Base: "poky.git", Trees: trees}, Era{Poky: true})
	const d = "/REDO/source/poky.git/"
	want := `BBLAYERS ?= "` + strings.Join([]string{d + "meta", d + "meta-poky", d + "a", d + "oe/meta-oe", d + "oe/x/y"}, " ") + `"`
	if lines := strings.Split(strings.TrimSpace(got), "\n"); lines[len(lines)-1] != want {
		t.Errorf("got %q, want %q", lines[len(lines)-1], want)
	}
}

// A list of layers replaces the default one, and text is put in front of it.
func TestBBLayersListed(t *testing.T) {
	l := Layers{Base: "core", Trees: []Layer{{Name: "bitbake"}}, Paths: []string{"meta-x", "meta"}, Head: []string{"# a\nA = 1\n", "B = 2"}}
	_, got, _ := strings.Cut(BBLayers(l, Era{Modern: true}), "\n\n")
	want := "BBPATH = \"${TOPDIR}\"\nBBFILES ?= \"\"\n\n# a\nA = 1\nB = 2\nBBLAYERS ?= \"/REDO/source/core/meta-x /REDO/source/core/meta\"\n"
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("bblayers.conf (-got +want):\n%s", diff)
	}
	for era, version := range map[Era]string{{Modern: true}: "7", {}: "6"} {
		if conf := BBLayers(l, era); !strings.Contains(conf, "LCONF_VERSION = \""+version+"\"\n") || strings.Contains(conf, "POKY_") {
			t.Errorf("era %v: not version %s of OE-core in\n%s", era, version, conf)
		}
	}
}

func TestLocalConf(t *testing.T) {
	got, ok := strings.CutPrefix(LocalConf(Era{}, []string{"\n A = 1\n", "B = 2"}), header(false))
	if want := "\n A = 1\nB = 2\n"; !ok || got != want {
		t.Errorf("behind the header %q, want %q", got, want)
	}
}

// TestCommand runs the command with a script in place of bitbake: none of its words
// may have a meaning for the shell.
func TestCommand(t *testing.T) {
	if _, err := os.Stat("/bin/bash"); err != nil {
		t.Skip("no bash")
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("oe-init-build-env", `[ "$0" != "$BASH_SOURCE" ] || exit 9; echo "$1"; cd "$1"; PATH=`+dir+`:$PATH; set -- x`)
	write("bitbake", "#!/bin/sh\npwd; printf '<%s>\\n' \"$@\"\n")
	args := Command("poky", "do_it", []string{"a;b", "$HOME", "c'd", "-k"})
	for i, a := range args {
		switch a {
		case "/REDO/source/poky/oe-init-build-env":
			args[i] = filepath.Join(dir, "oe-init-build-env")
		case BuildDir:
			args[i] = dir
		}
	}
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := strings.Join([]string{dir, dir, "<-c>", "<do_it>", "<a;b>", "<$HOME>", "<c'd>", "<-k>", ""}, "\n")
	if diff := cmp.Diff(string(out), want); diff != "" {
		t.Errorf("output (-got +want):\n%s", diff)
	}
}

func TestParseProgress(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Progress
		ok   bool
	}{
		{"NOTE: Running task 12 of 345 (ID: 7, /x/a.bb, do_compile)", Progress{"bitbake", 11, 345}, true},
		{"NOTE: Running task 1 of 9 (/x/a.bb:do_fetch)", Progress{"bitbake", 0, 9}, true},
		{"NOTE: Running noexec task 9 of 9 (/x/a.bb:do_build)", Progress{"bitbake", 8, 9}, true},
		{"NOTE: Running setscene task 3 of 80 (/x/a.bb:do_package)", Progress{"bitbake setscene", 2, 80}, true},
		{"Currently  2 running tasks (120 of 2169  5% |#    |)", Progress{"bitbake", 119, 2169}, true},
		{"Currently 1 running task (3 of 4):", Progress{"bitbake", 2, 4}, true},
		{"NOTE: Running task 0 of 9 (x)", Progress{}, false},
		{"NOTE: Running task 10 of 9 (x)", Progress{}, false},
		{"NOTE: Running task 99999999999999999999 of 9 (x)", Progress{}, false},
		{"echo NOTE: Running task 1 of 9 (x)", Progress{}, false},
		{"NOTE: Tasks Summary: Attempted 9 tasks of which 9 didn't need to be rerun and all succeeded.", Progress{}, false},
	} {
		got, ok := ParseProgress(tt.line)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%q: got %v %t, want %v %t", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestFailedLog(t *testing.T) {
	const log = BuildDir + "/tmp/work" + "/core2-64-poky-linux/bash/4.3.30-r0/temp/log.do_compile.1234"
	for _, tt := range []struct{ line, want, name string }{
		{"ERROR: Logfile of failure stored in: " + log, log, "bash-4.3.30-r0-log.do_compile.1234"},
		{"ERROR: bash-4.3.30-r0 do_compile: Logfile of failure stored in: " + log + "\r", log, "bash-4.3.30-r0-log.do_compile.1234"},
		{"ERROR: Logfile of failure stored in: /../../etc/../a/b", "/a/b", "a-b"},
		{"ERROR: Logfile of failure stored in: relative", "", ""},
		{"NOTE: Logfile of failure stored in: " + log, "", ""},
	} {
		got, ok := FailedLog(tt.line)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, want %q", tt.line, got, tt.want)
		}
		if ok && LogName(got) != tt.name {
			t.Errorf("name of %q: got %q, want %q", got, LogName(got), tt.name)
		}
	}
}
