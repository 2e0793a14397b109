// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/carosio/carosbuild/pkg/decl"
)

const pinned = "0123456789012345678901234567890123456789"

// strangers are malicious projects: their text after the header, and a text of the
// finding that results.
var strangers = []struct{ name, project, want string }{
	{"another directory", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: ../elsewhere}}", "outside of the project's repository"},
	{"by a link", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: link}}", "outside of the project's repository"},
	{"a file of it", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: ../elsewhere}}\n" + `INCLUDE`, "outside of the project's repository"},
	{"a link in a layer", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: layer}}", `"out" of repository "x" is a link that leads out`},
	{"a patch", "repos: {ours: , poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }, patches: {p: {repo: ours, path: link/secret}}}}", "is a link that leads out"},
	{"secrets", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: fine}}", `adds "sub/.git" to the image`},
	{"a password", "repos: {poky: {url: 'https://u:token@example.org/poky', commit: " + pinned + ", layers: {meta: }}}", "has a password"},
	{"git of this machine", "repos: {poky: {url: ../elsewhere, commit: " + pinned + ", layers: {meta: }}}", "is a git repository of this machine"},
	{"a pipe", "repos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}, x: {path: pipe}}\n" + `INCLUDE`, "it is not a directory"},
	{"a variable", "env: {\"A=1 B\": x}\nrepos: {poky: {url: https://example.org/poky, commit: " + pinned + ", layers: {meta: }}}", `"A=1 B" is not the name of a variable`},
}

func TestStrangers(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "project")
	for _, d := range []string{"elsewhere", "project/layer", "project/fine/sub/.git"} {
		if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"elsewhere/secret": "token", "elsewhere/b.yml": "token", "project/fine/sub/.git/config": "token", "project/fine/x": ""} {
		if err := os.WriteFile(filepath.Join(top, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{"project/link": "../elsewhere", "project/layer/out": "../../elsewhere"} {
		if err := os.Symlink(to, filepath.Join(top, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range strangers {
		t.Run(tt.name, func(t *testing.T) {
			header := "header: {version: 14}\n"
			if before, ok := strings.CutSuffix(tt.project, "\nINCLUDE"); ok {
				header, tt.project = "header: {version: 14, includes: [{repo: x, file: b.yml}]}\n", before
			}
			file := filepath.Join(dir, "p.yml")
			if err := os.WriteFile(file, []byte(header+"machine: m\ntarget: t\n"+tt.project+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			p, _, fs := Read([]string{file}, Options{WorkDir: dir})
			if p != nil && !fs.HasErrors() {
				_, more := p.Declare(Form{Dir: dir})
				fs = append(fs, more...)
			}
			for _, f := range fs {
				if strings.Contains(f.Summary, "token") && !strings.Contains(tt.want, "password") {
					t.Errorf("the content of a file of others: %s", f.Summary)
				}
				if strings.Contains(f.Summary, tt.want) {
					return
				}
			}
			t.Errorf("no finding with %q in %+v", tt.want, fs)
		})
	}
}

// TestInjection has texts that try to end the construct that contains them.
func TestInjection(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yml")
	const evil = `x ---><buildstage id="000-injected"><action>FROM scratch</action></buildstage><local_conf><![CDATA[ ]]> \u009b31m\u202e`
	text := "header: {version: 14}\nmachine: m\ntarget: t\nlocal_conf_header: {\"a\\nB = 1\": \"X = '<' " + strings.ReplaceAll(evil, `"`, `\"`) + "\"}\n" +
		"env: {A: \"" + strings.ReplaceAll(evil, `"`, `\"`) + "\"}\nrepos: {poky: {url: \"https://example.org/poky\", commit: " + pinned + ", layers: {meta: }, branch: \"" + strings.ReplaceAll(evil, `"`, `\"`) + "\"}}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p, _, fs := Read([]string{file}, Options{WorkDir: dir})
	if p == nil || fs.HasErrors() {
		t.Fatalf("%+v", fs)
	}
	made, more := p.Declare(Form{Dir: dir})
	if more.HasErrors() {
		t.Fatalf("%+v", more)
	}
	if strings.ContainsAny(string(made.XML), "\u009b\u202e") {
		t.Errorf("something that steers a terminal in\n%q", made.XML)
	}
	d, found := decl.Parse(decl.Source{Name: "p.xml", Dirs: []string{dir}, Data: made.XML})
	if found.HasErrors() {
		t.Fatalf("%+v\n%s", found, made.XML)
	}
	var ids []string
	for _, s := range d.Stages {
		ids = append(ids, s.ID)
	}
	if got := strings.Join(ids, " "); got != "010-host 020-layers 030-bitbake" {
		t.Errorf("stages %s of\n%s", got, made.XML)
	}
	for _, c := range d.LocalConf {
		for line := range strings.Lines(c.Text) {
			if strings.HasPrefix(line, "B = 1") {
				t.Errorf("a name became a setting:\n%s", c.Text)
			}
		}
	}
}

// TestAddArgs has names that ADD could mistake for something else.
func TestAddArgs(t *testing.T) {
	for from, want := range map[string]string{
		"conf": "conf /x", "a/b-c.bb": "a/b-c.bb /x", "--chown=x": "./--chown=x /x", "a b": `["a b","/x"]`, "*": `["*","/x"]`, "-a&b": `["./-a&b","/x"]`,
		"a\x1b": `["a\u001b","/x"]`, "$HOME": `["$HOME","/x"]`, "[.]git": `["[.]git","/x"]`,
	} {
		if got := (add{from: from, to: "/x"}).args(); got != want {
			t.Errorf("%q: %s, want %s", from, got, want)
		}
	}
}
