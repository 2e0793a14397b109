// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

var update = flag.Bool("update", false, "write the golden files")

const want = "want.txt"

// TestFindings parses the files of each archive together, and compares the rendered
// findings with the archive's last file.
func TestFindings(t *testing.T) {
	names, err := filepath.Glob("testdata/findings/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var files []Source
			golden := ""
			for _, f := range ar.Files {
				if f.Name == want {
					golden = string(f.Data)
					continue
				}
				files = append(files, Source{Name: f.Name, Data: f.Data})
			}
			_, fs := Parse(files...)
			checkSpans(t, files, fs)
			got := render(t, files, fs)
			if *update {
				updateArchive(t, name, ar, got)
				return
			}
			if diff := cmp.Diff(got, golden); diff != "" {
				t.Errorf("findings (-got +want):\n%s", diff)
			}
		})
	}
}

func render(t testing.TB, files []Source, fs finding.Findings) string {
	t.Helper()
	var out bytes.Buffer
	if err := fs.Render(&out, Texts(files), false); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func updateArchive(t *testing.T, name string, ar *txtar.Archive, got string) {
	t.Helper()
	files := ar.Files[:0]
	for _, f := range ar.Files {
		if f.Name != want {
			files = append(files, f)
		}
	}
	ar.Files = append(files, txtar.File{Name: want, Data: []byte(got)})
	if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkSpans checks that every place is inside its file.
func checkSpans(t testing.TB, files []Source, fs finding.Findings) {
	t.Helper()
	for _, f := range fs {
		spans := []finding.Span{f.Span}
		for _, n := range f.Notes {
			spans = append(spans, n.Span)
		}
		for _, s := range spans {
			line, ok := lineOf(s, files)
			if !ok {
				t.Errorf("%q: %+v is not in the file", f.Summary, s)
				continue
			}
			n := len([]rune(string(line))) + 1 // the end of a line is a place
			if s.Col < 1 || s.Len < 1 || s.Col > n || s.Len > 1 && s.Col+s.Len > n {
				t.Errorf("%q: %+v is not in a line of %d characters", f.Summary, s, n-1)
			}
		}
	}
}

// lineOf is the line of a file that a span is in.
func lineOf(s finding.Span, files []Source) ([]byte, bool) {
	data, _ := Texts(files)(s.File)
	lines := bytes.Split(data, []byte("\n"))
	if s.Line < 1 || s.Line > len(lines) {
		return nil, false
	}
	return bytes.TrimSuffix(lines[s.Line-1], []byte("\r")), true
}
