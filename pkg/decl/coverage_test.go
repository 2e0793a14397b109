// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryFindingHasAnExample takes the texts of all findings out of the
// source code, and wants each of them in a golden file.
func TestEveryFindingHasAnExample(t *testing.T) {
	var golden strings.Builder
	for _, pattern := range []string{"testdata/findings/*.txtar", "testdata/bytes.txt"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			golden.Write(data)
		}
	}
	// Only for texts that no known input leads to.
	unreachable := map[string]bool{
		"not well-formed XML: invalid reference": true,
		"a character that is not allowed in XML": true,
		"more than %d elements":                  true, // TestTooManyElements has it
		// TestExpanded has these: they depend on the values of variables.
		"the variable %s%s":                true,
		"with its variables filled in, %s": true,
	}
	texts := findingTexts(t)
	if len(texts) < 100 {
		t.Fatalf("only %d texts found", len(texts))
	}
	verb := regexp.MustCompile(`%(\\\[\d\\\])?[#0-9]*[a-zA-Z]`)
	for text, at := range texts {
		re := verb.ReplaceAllString(regexp.QuoteMeta(text), ".*")
		if found := regexp.MustCompile("(error|warning): .*" + re + "\n").MatchString(golden.String()); found == unreachable[text] {
			t.Errorf("%s: %q has an example: %v", at, text, found)
		}
	}
}

func findingTexts(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read, err := filepath.Glob("xmltext/*.go")
	if err != nil || len(read) == 0 {
		t.Fatal("where are the texts of what is not well-formed? ", err)
	}
	names = append(names, read...)
	texts := map[string]string{}
	fset := token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if e := textOf(n); e != nil {
				if text := literal(e); text != "" && text != "%s" {
					texts[text] = fset.Position(e.Pos()).String()
				}
			}
			return true
		})
	}
	return texts
}

// textOf returns the expression with the text of a finding, if n makes one.
func textOf(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch fun := n.Fun.(type) {
		case *ast.Ident:
			name = fun.Name
		case *ast.SelectorExpr:
			name = fun.Sel.Name
		}
		index, ok := map[string]int{"Errorf": 2, "Warnf": 2, "give": 2, "matches": 1, "onlyOne": 4}[name]
		if ok && index < len(n.Args) {
			return n.Args[index]
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "text" || key.Name == "Summary") {
			return n.Value
		}
	}
	return nil
}

// literal is the value of a string, or its constant beginning.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if s, err := strconv.Unquote(e.Value); err == nil {
			return s
		}
	case *ast.BinaryExpr:
		if s := literal(e.X); s != "" {
			return s + "%s"
		}
	}
	return ""
}

const manual = "../../docs/declaration.md"

// fence is a block of the manual: the word after the three backquotes, and the
// text.
var fence = regexp.MustCompile("(?m)^```(.*)\n((?s:.*?))^```$")

// TestManual parses the declarations in the manual, and compares the findings
// that it shows.
func TestManual(t *testing.T) {
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	blocks := fence.FindAllStringSubmatchIndex(string(data), -1)
	if len(blocks) < 10 {
		t.Fatalf("%d blocks in the manual", len(blocks))
	}
	for i, b := range blocks {
		kind, text := string(data[b[2]:b[3]]), string(data[b[4]:b[5]])
		switch kind {
		case "xml":
			parse(t, text)
		case "xml on sunxi.xml": // the file with its base
			base, err := os.ReadFile("../../targets/sunxi.xml")
			if err != nil {
				t.Fatal(err)
			}
			parse(t, string(base), text)
		case "xml mistakes":
			files := []Source{{Name: "caros.xml", Data: []byte(text)}}
			_, fs := Parse(files...)
			got := render(t, files, fs)
			shown := blocks[i+1]
			if *update {
				data := string(data[:shown[4]]) + got + string(data[shown[5]:])
				if err := os.WriteFile(manual, []byte(data), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(got, string(data[shown[4]:shown[5]])); diff != "" {
				t.Errorf("findings (-got +manual):\n%s", diff)
			}
		}
	}
}

// TestManualIsComplete wants a section for each element, with a row for each
// of its attributes, and no rows of attributes that do not exist.
func TestManualIsComplete(t *testing.T) {
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	last := ""
	for part := range strings.SplitSeq("\n"+string(data), "\n##") {
		title, body, _ := strings.Cut(strings.TrimLeft(part, "#"), "\n")
		title = strings.TrimSpace(title)
		if _, element := grammar[title]; element || !strings.HasPrefix(part, "##") { // others are parts of an element's
			last = title
		}
		sections[last] += body
	}
	row := regexp.MustCompile("(?m)^\\| (`[^|]*) \\| (required|) ?\\| ")
	name := regexp.MustCompile("`([a-z-]+)`")
	for element, r := range grammar {
		if element == rootName {
			continue
		}
		body, ok := sections[element]
		if !ok {
			t.Errorf("no section %q", element)
		}
		got := map[string]bool{} // whether it is required
		for _, m := range row.FindAllStringSubmatch(body, -1) {
			for _, n := range name.FindAllStringSubmatch(m[1], -1) {
				got[n[1]] = m[2] == "required"
			}
		}
		want := map[string]bool{}
		for _, a := range r.attrs {
			want[a.name] = a.required
			words, _ := allowed(a.check)
			for _, w := range words {
				if !strings.Contains(body, "`"+w+"`") {
					t.Errorf("%s of %s may be %q, which the section does not say", a.name, element, w)
				}
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("attributes of %s (-manual +grammar):\n%s", element, diff)
		}
	}
	for _, word := range append(append([]string{}, actionWords...), partitionTypes...) {
		if !strings.Contains(string(data), "`"+word) {
			t.Errorf("%s is not in the manual", word)
		}
	}
}

// TestPartitionTypes compares the names of partition types with those of the
// package that knows what they mean.
func TestPartitionTypes(t *testing.T) {
	data, err := os.ReadFile("../disk/partition/types.go")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\t\t\{"([a-z0-9-]+)", +"[0-9A-F-]{36}"`).FindAllStringSubmatch(string(data), -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(got, partitionTypes); diff != "" {
		t.Errorf("types (-partition +decl):\n%s", diff)
	}
}
