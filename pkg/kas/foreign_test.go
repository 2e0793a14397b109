// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// driver has kas itself read projects and print the result for each, without
// fetching anything. Each is read by a child process, because kas keeps what it has
// read.
const driver = `
import json, os, sys, types
sys.path.insert(0, sys.argv[1])
try:
    import kconfiglib
except ImportError:
    sys.modules['kconfiglib'] = types.ModuleType('kconfiglib')
from types import SimpleNamespace
from kas import context
from kas.config import Config

def read(job):
    ctx = context.create_global_context(SimpleNamespace(update=False, force_checkout=False))
    c = Config(ctx, job['project'])
    ctx.config = c
    missing = c.find_missing_repos(job['repos'])
    if missing:
        raise Exception('missing repositories: ' + ' '.join(missing))
    repos, layers = [], []
    for key in c.get_repos_config():
        r = c.get_repo(key)
        repos.append([key, r.name, r.url or '', r.commit or '', r.tag or '', r.branch or '', r.refspec or '', [[p['id'], p['repo'], p['path']] for p in r._patches]])
        layers += r.layers
    return {
        'repos': repos, 'layers': [[l.repo_name, l.name, l.priority] for l in sorted(layers)],
        'local': c.get_local_conf_header(), 'bblayers': c.get_bblayers_conf_header(),
        'targets': c.get_bitbake_targets(), 'task': c.get_bitbake_task(), 'machine': c.get_machine(), 'distro': c.get_distro(),
        'env': c._config.get('env', {}), 'multiconfig': sorted(c.get_multiconfig().split()), 'system': c._config.get('build_system', 'openembedded'),
        'version': c._config['header']['version'], 'artifacts': c._config.get('artifacts', {}),
    }

for job in json.load(sys.stdin):
    if os.fork() == 0:
        os.chdir(job['dir'])
        os.environ['KAS_WORK_DIR'] = job['dir']
        try:
            out = read(job)
        except Exception as e:
            out = {'error': type(e).__name__ + ': ' + str(e)}
        print(json.dumps(out), flush=True)
        os._exit(0)
    os.wait()
`

// project is a project that both programs read.
type project struct {
	Name  string            `json:"name"`
	Dir   string            `json:"dir"`
	Files string            `json:"project"`
	Repos map[string]string `json:"repos"` // directories of the repositories that files are included from
}

// newProject is a project in dir; others has the repositories from which it
// includes files.
func newProject(t *testing.T, name, dir, files, others string) project {
	t.Helper()
	p := project{Name: name, Dir: dir, Files: files, Repos: map[string]string{}}
	entries, _ := os.ReadDir(others) // there may be none
	for _, e := range entries {
		p.Repos[e.Name()] = filepath.Join(others, e.Name())
	}
	return p
}

// gitInit makes a directory a git repository.
func gitInit(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// seen is what kas and this package print about a project.
type seen struct {
	Error       string             `json:"error"`
	Repos       [][]any            `json:"repos"`
	Layers      [][]any            `json:"layers"`
	Local       string             `json:"local"`
	BBLayers    string             `json:"bblayers"`
	Targets     []string           `json:"targets"`
	Task        string             `json:"task"`
	Machine     string             `json:"machine"`
	Distro      string             `json:"distro"`
	Env         map[string]*string `json:"env"`
	Multiconfig []string           `json:"multiconfig"`
	System      string             `json:"system"`
	Version     any                `json:"version"`
	Artifacts   map[string]string  `json:"artifacts"`
}

// ours is the result of this package for a project, in the driver's form.
func ours(p *Project) seen {
	s := seen{
		Repos: [][]any{}, Layers: [][]any{}, Targets: append([]string{}, p.Targets...), Task: p.Task, Machine: p.Machine, Distro: p.Distro, System: p.BuildSystem,
		Env: map[string]*string{}, Multiconfig: append([]string{}, p.Multiconfig()...), Version: p.Version, Artifacts: map[string]string{},
	}
	for _, r := range p.Repos {
		patches := []any{}
		for _, x := range r.Patches {
			patches = append(patches, []any{x.ID, x.Repo, x.Path})
		}
		s.Repos = append(s.Repos, []any{r.Key, r.Name, r.URL, r.Commit, r.Tag, r.Branch, r.Refspec, patches})
	}
	for _, l := range p.Layers {
		s.Layers = append(s.Layers, []any{l.Repo, l.Path, l.Priority})
	}
	for _, f := range p.LocalConf {
		s.Local += "# " + f.Name + "\n" + f.Text + "\n"
	}
	for _, f := range p.BBLayersConf {
		s.BBLayers += "# " + f.Name + "\n" + f.Text + "\n"
	}
	for _, e := range p.Env {
		s.Env[e.Name] = &e.Value
		if e.Forward {
			s.Env[e.Name] = nil
		}
	}
	for _, a := range p.Artifacts {
		s.Artifacts[a.Name] = a.Text
	}
	slices.Sort(s.Multiconfig)
	return s
}

// text formats JSON in the same way for both.
func (s seen) text(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	if err := enc.Encode(s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// kasSays has kas read the projects.
func kasSays(t *testing.T, kas string, all []project) []seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-c", driver, kas) // the Python that Debian's modules are for
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "hg"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil { // kas wants it to exist
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":" + bin, "HOME=" + t.TempDir(), "PYTHONDONTWRITEBYTECODE=1"}
	jobs, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(jobs), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kas cannot be run: %v\n%s", err, stderr.String())
	}
	var says []seen
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var s seen
		if err := dec.Decode(&s); err != nil {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		says = append(says, s)
	}
	if len(says) != len(all) {
		t.Fatalf("kas has read %d of %d projects\n%s", len(says), len(all), stderr.String())
	}
	for i, s := range says {
		for _, r := range s.Repos { // ours are absolute
			if url, _ := r[2].(string); url != "" && !schemeOrHost().MatchString(url) && !filepath.IsAbs(url) {
				r[2] = filepath.Join(all[i].Dir, url)
			}
		}
	}
	return says
}

// kasSource is a checkout of kas to compare with.
func kasSource(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CAROSBUILD_KAS")
	if dir == "" {
		t.Skip("NOT TESTED: the same projects read by kas itself. CAROSBUILD_KAS names no checkout of kas 5 (its Python modules: python3-yaml python3-jsonschema python3-git python3-distro)")
	}
	return dir
}

// agree compares the results of kas and of this package for a project. It returns
// the text for a table.
func agree(t *testing.T, x project, theirs seen) string {
	t.Helper()
	t.Chdir(x.Dir)
	opts := Options{WorkDir: x.Dir, Getenv: func(string) string { return "" }}
	opts.Open = func(r Repo) (fs.FS, error) {
		if d := x.Repos[r.Key]; d != "" {
			return os.DirFS(d), nil
		}
		return nil, errors.New("it is not checked out here")
	}
	p, sources, findings := Read(strings.Split(x.Files, ":"), opts)
	var text bytes.Buffer
	if err := findings.Render(&text, decl.Texts(sources), false); err != nil {
		t.Fatal(err)
	}
	switch {
	case findings.HasErrors() && (theirs.Error != "" || strings.Contains(text.String(), "has a tag and a branch")): // kas notices two revisions only when it checks out
		i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Error })
		return "both refuse it: " + findings[i].Summary
	case theirs.Error != "":
		t.Errorf("kas refuses %s (%s), and we do not", x.Files, theirs.Error)
		return "kas refuses it"
	case findings.HasErrors():
		t.Errorf("kas reads %s, and we do not:\n%s", x.Files, text.String())
		return "we refuse it"
	}
	if diff := cmp.Diff(ours(p).text(t), theirs.text(t)); diff != "" {
		t.Errorf("%s (-ours +kas):\n%s", x.Files, diff)
	}
	d, more := p.Declare(Form{Dir: x.Dir})
	if more.HasErrors() {
		i := slices.IndexFunc(more, func(f finding.Finding) bool { return f.Severity == finding.Error })
		return "read; not built: " + more[i].Summary
	}
	return fmt.Sprintf("read; a declaration of %d lines", bytes.Count(d.XML, []byte("\n")))
}

// TestKasExamples has kas' published examples, and the projects of its own tests,
// read by kas and by this package.
func TestKasExamples(t *testing.T) {
	kas := kasSource(t)
	var files []string
	for _, pattern := range []string{"examples/*.y*ml", "image-tests/*/*.y*ml", "tests/*/*.y*ml", "tests/*/*/*.y*ml"} {
		found, err := filepath.Glob(filepath.Join(kas, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 50 {
		t.Fatalf("only %d project files are in %s", len(files), kas)
	}
	data, err := os.ReadFile("../../docs/kas.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []project
	for _, f := range files {
		rel, err := filepath.Rel(kas, f)
		if err != nil {
			t.Fatal(err)
		}
		dir, name := kas, rel
		if strings.HasPrefix(rel, "tests/") { // otherwise files include one another by their paths in the repository
			dir, name = t.TempDir(), filepath.Base(f)
			if err := os.CopyFS(dir, os.DirFS(filepath.Dir(f))); err != nil {
				t.Fatal(err)
			}
			gitInit(t, dir)
		}
		all = append(all, newProject(t, rel, dir, name, ""))
	}
	for i, theirs := range kasSays(t, kas, all) {
		rel := all[i].Name
		t.Run(rel, func(t *testing.T) {
			said := agree(t, all[i], theirs)
			t.Logf("%s: %s", rel, said)
			row, _, _ := strings.Cut(tableRow(string(data), "`"+rel+"`"), " | ")
			if want := pageWord(said); row != "| "+want {
				t.Errorf("docs/kas.md has the file in the row %q, want %q", row, want)
			}
		})
	}
}

// tableRow is the line of a table in a page that contains a word.
func tableRow(page, word string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

// pageWord is how the row in docs/kas.md begins for a result of agree.
func pageWord(said string) string {
	for _, w := range [][2]string{
		{"a declaration of", "read, and a declaration made of it"},
		{"build_system", "read, not built: `build_system` is isar"},
		{"Mercurial", "read, not built: a Mercurial repository"},
		{"none of the repositories", "read, not built: no repository has `oe-init-build-env`"},
		{"is signed", "read, not built: signed, and not pinned"},
		{"files of repository", "not read: the file of another repository is made by kas' test"},
	} {
		if strings.Contains(said, w[0]) {
			return w[1]
		}
	}
	return "refused, as kas does: contradicting or missing revisions"
}

// TestKasOnOurs has the projects of testdata read by kas.
func TestKasOnOurs(t *testing.T) {
	kas := kasSource(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var all []project
	for _, name := range []string{"poky", "merge", "repos", "local", "limits", "mistakes", "contradictions", "includes", "syntax", "documents", "list", "json"} {
		ar, err := txtar.ParseFile(filepath.Join(here, "testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		names := unpack(t, ar).names
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{".", filepath.Dir(names[0])} {
			if _, err := os.Stat(filepath.Join(d, ".git")); err == nil {
				gitInit(t, filepath.Join(dir, d))
			}
		}
		all = append(all, newProject(t, name, dir, strings.Join(names, ":"), filepath.Join(dir, "remote")))
	}
	for i, theirs := range kasSays(t, kas, all) {
		t.Run(all[i].Name, func(t *testing.T) { t.Logf("%s: %s", all[i].Name, agree(t, all[i], theirs)) })
	}
}
