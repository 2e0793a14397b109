// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// result is what a command printed, and its exit status.
type result struct {
	out, err string
	status   int
}

// runHere runs a command in the current directory, with an environment of its own.
func runHere(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	home := t.TempDir()
	var out, stderr bytes.Buffer
	a := &app{stdout: &out, stderr: &stderr, getenv: func(k string) string {
		switch k {
		case "HOME":
			return home
		case "PATH":
			return os.Getenv("PATH")
		}
		return env[k]
	}}
	cmd := a.command()
	cmd.SetArgs(args)
	status := a.end(t.Context(), cmd.ExecuteContext(t.Context()))
	return result{out.String(), stderr.String(), status}
}

// writeFiles makes files with parents.
func writeFiles(t *testing.T, files map[string]string) {
	t.Helper()
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func gitHere(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

const pokyRepo = "  poky: {url: \"https://git.example.org/poky.git\", commit: \"0123456789012345678901234567890123456789\", layers: {meta: }}\n"

// TestKasLayerOfItsOwn: what builds leave beside a project that is a layer does
// not change what is made of it.
func TestKasLayerOfItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFiles(t, map[string]string{"project.yml": "header: {version: 14}\nrepos:\n  ours:\n" + pokyRepo, "conf/layer.conf": "", "recipes/a.bb": "", ".gitignore": "ignored\n"})
	gitHere(t, "init", "--quiet")
	gitHere(t, "add", ".")
	before := runHere(t, nil, "import", "project.yml")
	if before.status != 0 || before.err != "" {
		t.Fatalf("%+v", before)
	}
	writeFiles(t, map[string]string{"project.yml.lock": "", "image.vmdk": "", "ignored": "", "empty.xml": "", "project.xml": before.out, "recipes/a.bb": "changed"})
	if after := runHere(t, nil, "import", "project.yml"); after != before {
		t.Errorf("after a build: %+v, before: %+v", after, before)
	}
	writeFiles(t, map[string]string{"new.bb": "", "site.xml": "<redo/>", "recipes/deep/b.bb": ""})
	after := runHere(t, nil, "import", "project.yml")
	if want := `left out: "new.bb", "recipes/deep/" and "site.xml"`; !strings.Contains(after.err, want) || strings.Contains(after.out, "new.bb") || !strings.Contains(after.out, "ADD recipes/a.bb") {
		t.Errorf("with untracked files: %+v; want %s", after, want)
	}
	gitHere(t, "add", ".")
	if after := runHere(t, nil, "import", "project.yml"); after.err != "" || !strings.Contains(after.out, "ADD new.bb") {
		t.Errorf("when they are tracked: %+v", after)
	}
}
