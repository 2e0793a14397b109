// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/pkg/kas"
	"github.com/carosio/carosbuild/pkg/words"
)

// Load reads and merges declaration files, and project files of kas. A name without a directory,
// for which there is no file, may be that of a built-in declaration.
func Load(ctx context.Context, a *cli.App, names []string, cache string) (*decl.Declaration, error) {
	if len(names) == 0 {
		return nil, cli.Usagef("no declaration file is named (carosbuild targets lists the built-in ones)")
	}
	if err := checkNames(names); err != nil {
		return nil, err
	}
	if err := Confine(a, names, cache); err != nil {
		return nil, err
	}
	made := map[string]*kas.Declaration{}
	for _, name := range names {
		if files := KasFiles(name); files != nil {
			src, from, err := ReadKas(ctx, a, files, cache)
			if err != nil {
				return nil, err
			}
			made[src.Name] = from
			a.Files = append(a.Files, src)
			continue
		}
		src, err := readDeclaration(name, loader(a, cache))
		if err == nil {
			err = checkText(src)
		}
		if err != nil {
			return nil, err
		}
		bases, err := loader(a, cache).Bases(src, a.Files)
		a.Files = append(a.Files, bases...)
		if err != nil {
			return nil, err
		}
		a.Files = append(a.Files, src)
	}
	d, findings := decl.Parse(a.Files...)
	for name, from := range made {
		from.Relocate(name, d, findings)
	}
	if findings.HasErrors() {
		return nil, &finding.ListError{Findings: findings}
	}
	return d, a.ShowFindings(findings)
}

func readDeclaration(name string, l load.Loader) (decl.Source, error) {
	if err := checkNamed(l.Within, name); err != nil {
		return decl.Source{}, err
	}
	src, err := load.File(name)
	if !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(name, filepath.Separator) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = noDeclaration(name)
		case err != nil:
			err = cli.Usage(err)
		}
		return src, err
	}
	if src, err = l.Embedded(name); errors.Is(err, fs.ErrNotExist) {
		err = noDeclaration(name)
	}
	return src, err
}

// noDeclaration is the error for a file that does not exist; it suggests a similar
// name.
func noDeclaration(name string) error {
	dir, base := filepath.Split(name)
	known, where := []string{}, "in this folder, and none of that name is built in"
	if dir == "" {
		known = BuiltIn()
	} else {
		where = "in " + dir
	}
	files, err := os.ReadDir(filepath.Clean(dir))
	for _, f := range files {
		if !f.IsDir() && (strings.HasSuffix(f.Name(), ".xml") || KasFiles(f.Name()) != nil) {
			known = append(known, f.Name())
		}
	}
	if err != nil {
		where += ", which cannot be read: " + err.Error()
	}
	hint := ""
	if known := words.DidYouMean(base, known); known != "" {
		hint = " (" + known + ")"
	}
	return cli.Misnamed(fmt.Errorf("there is no declaration %s %s%s\n%-12s carosbuild targets lists the built-in ones", base, where, hint, "remedy:"))
}
