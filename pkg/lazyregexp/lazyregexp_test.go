// SPDX-License-Identifier: MPL-2.0

package lazyregexp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

func TestNew(t *testing.T) {
	digits := lazyregexp.New(`^[0-9]+$`)
	first := digits()
	if !first.MatchString("12") || first.MatchString("a") {
		t.Error("another expression")
	}
	if digits() != first {
		t.Error("compiled anew")
	}
	wrong := lazyregexp.New(`(`)
	defer func() {
		if recover() == nil {
			t.Error("an expression that is not valid did not panic")
		}
	}()
	wrong()
}

// No package compiles an expression when the program starts.
func TestNothingIsCompiledAtStart(t *testing.T) {
	seen := 0
	for _, top := range []string{"../../pkg", "../../cmd", "../../targets"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			seen++
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					ast.Inspect(g, func(n ast.Node) bool {
						if _, later := n.(*ast.FuncLit); later {
							return false
						}
						if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "MustCompile" {
							t.Errorf("%s: use lazyregexp.New", fset.Position(s.Pos()))
						}
						return true
					})
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("looked at %d files", seen)
	}
}
