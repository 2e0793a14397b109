// SPDX-License-Identifier: MPL-2.0

package release

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/results"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sparse makes an image of 8 MiB with 4 KiB at its end.
func sparse(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.raw")
	f, err := os.Create(name)
	must(t, err)
	_, err = f.WriteAt(bytes.Repeat([]byte("x"), 4096), 8<<20-4096)
	must(t, errors.Join(err, f.Close()))
	return name
}

func source(path, file string) Source {
	return Source{File: file, Name: filepath.Base(path), Format: "raw", Open: func() (results.Content, error) { return os.Open(path) }}
}

func sample() *Release {
	return &Release{
		Version: "2", BuildID: "b", Stage: "s", Date: time.Unix(1459519200, 0).UTC(),
		Packages: []Package{{"a", "1", "all"}, {"b", "2", "x86"}}, Layers: []Layer{{Path: "/z", URL: "https://u:secret@h/z", Commit: "2"}, {Path: "/a", Commit: "1"}},
	}
}

func TestWrite(t *testing.T) {
	img := sparse(t)
	dir := t.TempDir()
	former := &Release{BuildID: "a", Packages: []Package{{"a", "0", "all"}}}
	var texts []string
	last := map[string]int64{}
	o := Options{Log: fakeLog, Progress: func(name string, done, total int64) {
		if done > total || total != 8<<20 {
			t.Errorf("%d of %d bytes of %s", done, total, name)
		}
		last[name] = done
	}}
	for _, out := range []string{dir + "/one", dir + "/two"} {
		must(t, Write(t.Context(), out, sample(), []Source{source(img, "z.raw"), source(img, "b.raw")}, former, o))
		text := ""
		for _, f := range []string{DataName, ManifestName, ChangesName, SumsName} {
			b, err := os.ReadFile(filepath.Join(out, f))
			must(t, err)
			text += string(b)
		}
		texts = append(texts, text)
	}
	if last["disk.raw"] != 8<<20 {
		t.Errorf("progress ended at %v", last)
	}
	if texts[0] != texts[1] {
		t.Errorf("written twice, and not alike:\n%s", cmp.Diff(texts[0], texts[1]))
	}
	if strings.Contains(texts[0], "secret") {
		t.Error("a password is in the release")
	}
	if !strings.Contains(texts[0], "a\t1\tall\nb\t2\tx86\n") {
		t.Errorf("no manifest in\n%s", texts[0])
	}
	cmd := exec.Command("sha256sum", "--strict", "-c", SumsName)
	cmd.Dir = dir + "/one"
	if got, err := cmd.CombinedOutput(); err != nil || string(got) != "CHANGES.md: OK\nb.raw: OK\npackages.manifest: OK\nrelease.json: OK\nz.raw: OK\n" {
		t.Errorf("sha256sum: %v\n%s", err, got)
	}
	st, err := os.Stat(dir + "/one/b.raw")
	must(t, err)
	if sys := st.Sys().(*syscall.Stat_t); st.Size() != 8<<20 || sys.Blocks > 128 || sys.Nlink != 1 {
		t.Errorf("got %d bytes in %d blocks, %d links", st.Size(), sys.Blocks, sys.Nlink)
	}
	got, err := Read(dir + "/one")
	must(t, err)
	if got.Images[0].File != "b.raw" || got.Images[0].Source != "disk.raw" || got.Layers[0].Path != "/a" || got.Layers[1].URL != "https://h/z" || got.Changes.Since != "a" {
		t.Errorf("got %+v", got)
	}
}

func TestWriteLinks(t *testing.T) {
	img := sparse(t)
	s := source(img, "d.raw")
	s.Link = img
	dir := filepath.Join(filepath.Dir(img), "out")
	must(t, Write(t.Context(), dir, sample(), []Source{s}, nil, Options{Log: fakeLog}))
	a, err := os.Stat(img)
	must(t, err)
	b, err := os.Stat(dir + "/d.raw")
	must(t, err)
	if !os.SameFile(a, b) {
		t.Error("no hard link")
	}
	if _, err := os.Stat(dir + "/" + ChangesName); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("changes since nothing: %v", err)
	}
	other := sparse(t)
	s.Link = other // not the file that is open
	must(t, Write(t.Context(), dir+"2", sample(), []Source{s}, nil, Options{Log: fakeLog}))
	if b, err = os.Stat(dir + "2/d.raw"); err != nil || b.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Errorf("got a link to another file, error %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	img := sparse(t)
	changed := source(img, "a")
	changed.SHA256 = strings.Repeat("0", 64)
	for name, sources := range map[string][]Source{
		"would both be":      {source(img, "a"), source(img, "a")},
		"is not a file name": {source(img, "../a")},
		"release itself":     {source(img, SumsName)},
		"has changed":        {source(img, "b"), changed},
		"no such file":       {source(img, "a"), source("none", "b")},
	} {
		parent := t.TempDir()
		if err := Write(t.Context(), parent+"/out", sample(), sources, nil, Options{Log: fakeLog}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want an error with %q", err, name)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind %v, error %v", name, left, err)
		}
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"no JSON": "x", "future": `{"schema": 99}`, "none": `{}`} {
		must(t, os.WriteFile(dir+"/"+DataName, []byte(text), 0o600))
		if _, err := Read(dir); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}
