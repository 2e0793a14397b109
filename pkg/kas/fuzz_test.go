// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// inMemory reads files that exist only in memory, and makes a declaration.
func inMemory(t testing.TB, files map[string]string, tops ...string) finding.Findings {
	t.Helper()
	m := fstest.MapFS{}
	for name, data := range files {
		m[name] = &fstest.MapFile{Data: []byte(data)}
	}
	r := &reader{
		Options: Options{WorkDir: "/nowhere", Open: func(Repo) (fs.FS, error) { return m, nil }},
		rep:     &report{}, parsed: map[string]*config{}, trees: map[string]*tree{}, top: &tree{files: m, dir: "/nowhere", prefix: "."},
	}
	merged := r.rounds(tops)
	if merged == nil || r.stopped || r.rep.All.HasErrors() {
		checkSpans(t, r.sources, r.rep.All)
		return r.rep.All
	}
	d, _ := r.project(merged).Declare(Form{Dir: "/nowhere"})
	checkSpans(t, r.sources, r.rep.All)
	if !r.rep.All.HasErrors() {
		src := decl.Source{Name: "made", Data: d.XML}
		parsed, fs := decl.Parse(src)
		d.Relocate("made", parsed, fs)
	}
	return r.rep.All
}

// FuzzProject reads projects of one file and the files that it includes.
func FuzzProject(f *testing.F) {
	for _, ar := range decltest.Archives(f, "testdata/*.txtar") {
		for _, a := range ar.Files {
			if !strings.HasPrefix(a.Name, "want.") {
				f.Add(string(a.Data), strings.HasSuffix(a.Name, ".json"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data string, asJSON bool) {
		name := "kas.yml"
		if asJSON {
			name = "kas.json"
		}
		inMemory(t, map[string]string{name: data, "a.yml": "header: {version: 1}\nmachine: x\n"}, name)
	})
}

// TestHostile: no input takes long or much memory, and each gives a finding.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 12 {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", 'b'+i, 'b'+i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", 'a'+i), 10), ", "))
	}
	for _, tt := range []struct{ name, data, want string }{
		{"a bomb of aliases", bomb, "more than 100000 values"},
		{"an alias of what it is in", "a: &a [*a]\n", "nested more than 64 levels deep"},
		{"deep", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), "nested more than 64 levels deep"},
		{"deeper", strings.Repeat("[", 500_000), ""},
		{"many values", "a: [" + strings.Repeat("1,", 400_000) + "]", "more than 100000 values"},
		{"many keys", numbered("x%d: 1\n", 6000), "more than 5000 entries"},
		{"many repositories", "header: {version: 1}\nrepos:\n" + numbered("  r%d: {url: 'https://x/y', branch: z}\n", 600), "at most 500 are allowed"},
		{"large", strings.Repeat("#", maxFileSize+1), "larger than"},
		{"bytes", "a: \xff\xfe", "not UTF-8"},
		{"empty", "", "is empty"},
		{"a key that is a list", "[a]: b", "a key that is not a plain word"},
		{"a merge key of a string", "<<: x", "a merge key needs a mapping"},
		{"an unknown anchor", "a: *b", "unknown anchor"},
		{"many mistakes", strings.Repeat("x: {\n", 0) + "header: {version: 1}\n" + numbered("x%d: 1\n", 500), "too many mistakes"},
		{"version", "header: {version: x}", "is not a version of the format"},
		{"version 0", "header: {version: 0}", "does not exist"},
		{"no header", "machine: x", "there is no \"header\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			fs := inMemory(t, map[string]string{"kas.yml": tt.data}, "kas.yml")
			if took := time.Since(began); took > 60*time.Second {
				t.Errorf("took %v", took)
			}
			if !fs.HasErrors() || !slices.ContainsFunc(fs, func(f finding.Finding) bool { return strings.Contains(f.Summary, tt.want) }) {
				t.Errorf("findings %v, want one with %q", fs, tt.want)
			}
			if len(fs) > 200+1 {
				t.Errorf("%d findings", len(fs))
			}
		})
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostileJSON: JSON has the same bounds.
func TestHostileJSON(t *testing.T) {
	for data, want := range map[string]string{
		strings.Repeat("[", 500_000):                       "nested more than 64 levels deep",
		`{"a": [` + strings.Repeat("1,", 200_000) + "1]}":  "more than 100000 values",
		`{"header": {"version": 1}} {}`:                    "there is text after the JSON value",
		`{"header": {"version": 1e3}}`:                     "version must be an integer or a string",
		`{"header": {"version": 1}, "machine": "x", "a": `: "not JSON",
		`{"a": "` + "\xff" + `"}`:                          "not UTF-8",
	} {
		fs := inMemory(t, map[string]string{"kas.json": data}, "kas.json")
		if len(fs) == 0 || !strings.Contains(fs[0].Summary, want) {
			t.Errorf("%.40s: findings %v, want %q", data, fs, want)
		}
	}
}

// TestManyFiles: a project cannot include more files than allowed, in whatever way.
func TestManyFiles(t *testing.T) {
	files := map[string]string{}
	for i := range 12 { // each includes the next one twice
		files[fmt.Sprintf("f%d.yml", i)] = fmt.Sprintf("header: {version: 1, includes: [f%d.yml, f%d.yml]}\n", i+1, i+1)
	}
	files["f12.yml"] = "header: {version: 1}\n"
	if fs := inMemory(t, files, "f0.yml"); len(fs) != 1 || !strings.Contains(fs[0].Summary, "more than 256 files") {
		t.Errorf("findings %v", fs)
	}
	files = map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("f%d.yml", i)] = fmt.Sprintf("header: {version: 1, includes: [f%d.yml]}\n", i+1)
	}
	if fs := inMemory(t, files, "f0.yml"); !fs.HasErrors() || !strings.Contains(fs[0].Summary, "more than 32 levels deep") {
		t.Errorf("findings %v", fs)
	}
}

// TestLinks: a link in a project cannot lead outside it.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.yml")
	project := filepath.Join(dir, "p")
	for name, data := range map[string]string{secret: "header: {version: 1}\nmachine: secret\n", filepath.Join(project, "kas.yml"): "header: {version: 1, includes: [link.yml]}\n"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.yml", filepath.Join(project, "link.yml")); err != nil {
		t.Fatal(err)
	}
	_, _, fs := Read([]string{filepath.Join(project, "kas.yml")}, Options{WorkDir: project})
	if !fs.HasErrors() || !strings.Contains(fs[0].Summary, "link.yml") {
		t.Errorf("findings %v", fs)
	}
}
