// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

var update = flag.Bool("update", false, "write the golden files")

// example is an archive of testdata, unpacked.
type example struct {
	names []string
	form  Form
	opts  Options
	want  map[string]string
}

func unpack(t *testing.T, ar *txtar.Archive) example {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	e := example{form: Form{Dir: dir}, opts: Options{WorkDir: dir}, want: map[string]string{}}
	env := map[string]string{}
	for line := range strings.Lines(string(ar.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "project":
			e.names = strings.Split(value, ":")
			e.form.Dir = filepath.Join(dir, filepath.Dir(e.names[0]))
		case "from":
			e.form.From = value
		case "base":
			e.form.Base = value
		case "nolock":
			e.opts.NoLock = true
		case "env":
			k, v, _ := strings.Cut(value, "=")
			env[k] = v
		}
	}
	e.opts.Getenv = func(k string) string { return env[k] }
	e.opts.Open = func(r Repo) (fs.FS, error) {
		d := filepath.Join(dir, "remote", r.Key)
		if _, err := os.Stat(d); err != nil {
			return nil, errors.New("the server does not answer")
		}
		return os.DirFS(d), nil
	}
	for _, f := range ar.Files {
		if strings.HasPrefix(f.Name, "want.") {
			e.want[f.Name] = string(f.Data)
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// TestExamples reads the projects of testdata, and compares the declarations
// and the findings with what the archives have.
func TestExamples(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, ar := range decltest.Archives(t, "testdata/*.txtar") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			path := filepath.Join(here, name)
			e := unpack(t, ar)
			got := e.read(t)
			if *update {
				for i, f := range ar.Files {
					if text, ok := got[f.Name]; ok {
						ar.Files[i].Data = []byte(text)
					}
				}
				if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(got, e.want); diff != "" {
				t.Errorf("(-got +want):\n%s", diff)
			}
		})
	}
}

// read makes the declaration, and checks it.
func (e example) read(t *testing.T) map[string]string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	p, sources, findings := Read(e.names, e.opts)
	var d *Declaration
	if p != nil {
		var more finding.Findings
		d, more = p.Declare(e.form)
		findings = append(findings, more...)
	}
	var out bytes.Buffer
	if err := findings.Render(&out, decl.Texts(sources), false); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"want.txt": strings.ReplaceAll(out.String(), dir, "$DIR")}
	checkSpans(t, sources, findings)
	if findings.HasErrors() {
		return got
	}
	got["want.xml"] = strings.ReplaceAll(string(d.XML), dir, "$DIR")
	src := decl.Source{Name: "made", Data: d.XML}
	parsed, fs := decl.Parse(src)
	d.Relocate("made", parsed, fs)
	if len(fs) > 0 {
		_ = fs.Render(&out, decl.Texts(append(sources, src)), false)
		t.Errorf("the declaration has mistakes:\n%s", out.String())
	}
	for _, at := range []finding.Span{parsed.Base.Span, parsed.Remotes[0].Span, parsed.BBLayers.Span, parsed.LocalConf[len(parsed.LocalConf)-1].Span} {
		if at.File == "made" {
			t.Errorf("%v is not a place in the project", at)
		}
	}
	return got
}

// checkSpans checks that the place of each finding exists in its file.
func checkSpans(t testing.TB, sources []decl.Source, fs finding.Findings) {
	t.Helper()
	for _, f := range fs {
		for _, s := range sources {
			lines := strings.Split(string(s.Data), "\n")
			if s.Name != f.Span.File {
				continue
			}
			if f.Span.Line < 1 || f.Span.Line > len(lines) || f.Span.Col < 1 || f.Span.Col > len([]rune(lines[f.Span.Line-1]))+1 || f.Span.Len < 1 {
				t.Errorf("%q is at %+v, which is not in the file", f.Summary, f.Span)
			}
		}
	}
}

var fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// TestPage reads the project of docs/kas.md, and looks for what the page shows in
// the declaration made from it.
func TestPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/kas.md")
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ := strings.Cut(string(data), "\n## Kickstart files")
	blocks := map[string][]string{}
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		blocks[m[1]] = append(blocks[m[1]], m[2])
	}
	if len(blocks["yaml"]) != 1 || len(blocks["xml"]) != 2 || len(blocks["text"]) != 1 {
		t.Fatalf("the page has blocks %v", blocks)
	}
	project := blocks["yaml"][0]
	e := unpack(t, &txtar.Archive{Comment: []byte("project: project.yml"), Files: []txtar.File{
		{Name: "project.yml", Data: []byte(project)}, {Name: "conf/layer.conf"}, {Name: ".git/HEAD", Data: []byte("ref: refs/heads/main\n")},
	}})
	got := e.read(t)
	for _, want := range blocks["xml"] {
		if !strings.Contains(got["want.xml"], want) {
			t.Errorf("the declaration\n%s\nhas no\n%s", got["want.xml"], want)
		}
	}
	if got["want.txt"] != "" {
		t.Errorf("findings:\n%s", got["want.txt"])
	}
	bad := strings.Replace(project, "machine:", "machin:", 1)
	if err := os.WriteFile("project.yml", []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.read(t)["want.txt"], blocks["text"][0]); diff != "" {
		t.Errorf("the mistake (-got +page):\n%s", diff)
	}
}
