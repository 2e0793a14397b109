// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var added = regexp.MustCompile(`<action>ADD (\S+) \S+</action>`)

// ownLayer is a project that is itself a layer, with files that builds have left.
func ownLayer(t *testing.T) example {
	files := []txtar.File{
		{Name: ".git/HEAD", Data: []byte("ref: refs/heads/main\n")},
		{Name: "project.yml", Data: []byte("header: {version: 14}\nrepos:\n  ours:\n  poky: {url: \"https://git.example.org/poky\", branch: main, layers: {meta: }}\n")},
	}
	for _, name := range []string{"README", "conf/layer.conf", "recipes/a/a.bb", "recipes/a/a.bb~", "recipes/b/b.bb", "project.yml.lock", "image.vmdk", "out/x", "new.txt", "ignored"} {
		files = append(files, txtar.File{Name: name})
	}
	return unpack(t, &txtar.Archive{Comment: []byte("project: project.yml"), Files: files})
}

// TestTracked: of a git work tree, the tracked files go into the stage, and no
// output of builds.
func TestTracked(t *testing.T) {
	e := ownLayer(t)
	e.form.Known = func(dir string) (tracked, others []string, err error) {
		if dir != e.form.Dir {
			t.Errorf("%s is listed, not %s", dir, e.form.Dir)
		}
		return []string{"README", "conf/layer.conf", "deleted", "project.yml", "recipes/a/a.bb", "recipes/b/b.bb"}, []string{"new.txt", "out/", ".hidden"}, nil
	}
	got := e.read(t)
	var adds []string
	for _, m := range added.FindAllStringSubmatch(got["want.xml"], -1) {
		adds = append(adds, m[1])
	}
	if diff := cmp.Diff(adds, []string{"README", "conf", "recipes/a/a.bb", "recipes/b"}); diff != "" {
		t.Errorf("added (-got +want):\n%s", diff)
	}
	if want := `warning: untracked files of repository "ours" are left out: "new.txt" and "out/"`; !strings.Contains(got["want.txt"], want) {
		t.Errorf("findings:\n%s\nwant %s", got["want.txt"], want)
	}
}

// TestNotTracked: where git tracks nothing, all files but lock files count, and a
// failure of git is reported.
func TestNotTracked(t *testing.T) {
	e := ownLayer(t)
	e.form.Known = func(string) ([]string, []string, error) { return nil, []string{"README"}, nil }
	got := e.read(t)
	if !strings.Contains(got["want.txt"], "git tracks no file of $DIR") || !strings.Contains(got["want.xml"], "ADD out ") || strings.Contains(got["want.xml"], "project.yml.lock") {
		t.Errorf("%s%s", got["want.txt"], got["want.xml"])
	}
	e.form.Known = func(string) ([]string, []string, error) { return nil, nil, errors.New("a damaged index") }
	if got := e.read(t); !strings.Contains(got["want.txt"], `error: git cannot list the files of repository "ours": a damaged index`) {
		t.Errorf("%s", got["want.txt"])
	}
	if err := os.RemoveAll(filepath.Join(e.form.Dir, ".git")); err != nil {
		t.Fatal(err)
	}
	if got := e.read(t); got["want.txt"] != "" {
		t.Errorf("without git: %s", got["want.txt"])
	}
}

// TestTrackedLayers: of a layer below the repository, only tracked files are taken,
// too.
func TestTrackedLayers(t *testing.T) {
	e := ownLayer(t)
	text := "header: {version: 14}\nrepos:\n  ours: {layers: {recipes: }}\n  poky: {url: \"https://git.example.org/poky\", branch: main, layers: {meta: }}\n"
	if err := os.WriteFile("project.yml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	known := []string{"a/a.bb", "b/b.bb"}
	e.form.Known = func(dir string) ([]string, []string, error) { return known, nil, nil }
	if got := e.read(t); !strings.Contains(got["want.xml"], "ADD recipes/a/a.bb /REDO/source/poky/ours/recipes/a/a.bb<") || strings.Contains(got["want.xml"], "a.bb~") {
		t.Errorf("%s", got["want.xml"])
	}
	known = slices.Insert(known, 1, "a/a.bb~")
	if got := e.read(t); !strings.Contains(got["want.xml"], "ADD recipes /REDO/source/poky/ours/recipes<") {
		t.Errorf("%s", got["want.xml"])
	}
}
