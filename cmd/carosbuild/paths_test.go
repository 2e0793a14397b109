// SPDX-License-Identifier: MPL-2.0

package main

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// namedPath is a path of this repository in a page, in backquotes or behind a link.
var namedPath = regexp.MustCompile("(?:`|\\]\\()((?:cmd|docs|integration|pkg|scripts|targets)/[A-Za-z0-9_./-]*)[`)]")

// bareFile is a Go file without its directory.
var bareFile = regexp.MustCompile("`[A-Za-z0-9]\\w*\\.go`")

// TestPagesNameFiles: the paths that the pages for contributors name exist, and
// CONTRIBUTING.md names Go files with their directories.
func TestPagesNameFiles(t *testing.T) {
	for page, least := range map[string]int{"CONTRIBUTING.md": 25, "docs/design.md": 50} {
		text := readPage(t, page)
		paths := namedPath.FindAllStringSubmatch(text, -1)
		for _, p := range paths {
			if strings.Contains(p[1], "...") {
				continue
			}
			if _, err := os.Stat(filepath.Join("../..", p[1])); err != nil {
				t.Errorf("%s names %s: %v", page, p[1], err)
			}
		}
		if len(paths) < least {
			t.Errorf("%s: only %d paths were found", page, len(paths))
		}
	}
	for _, name := range bareFile.FindAllString(readPage(t, "CONTRIBUTING.md"), -1) {
		switch name {
		case "`doc.go`", "`format.go`": // of any package
		default:
			t.Errorf("CONTRIBUTING.md names %s without its directory", name)
		}
	}
}

// TestDesignListsPackages: each package below pkg is named in the table of
// docs/design.md, with its directory or in a line that begins with it.
func TestDesignListsPackages(t *testing.T) {
	var lines []string
	for line := range strings.Lines(readPage(t, "docs/design.md")) {
		if strings.HasPrefix(line, "| `") {
			lines = append(lines, line)
		}
	}
	found := 0
	err := filepath.WalkDir("../../pkg", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() == "testdata" {
			return cmp.Or(err, fs.SkipDir)
		}
		if files, err := filepath.Glob(filepath.Join(p, "*.go")); err != nil || !d.IsDir() || len(files) == 0 || d.Name() == "pkg" {
			return err
		}
		found++
		name := strings.TrimPrefix(filepath.ToSlash(p), "../../")
		if !slices.ContainsFunc(lines, func(line string) bool {
			return strings.Contains(line, "`"+name+"`") || strings.HasPrefix(line, "| `"+path.Dir(name)) && strings.Contains(line, "`"+path.Base(name)+"`")
		}) {
			t.Errorf("docs/design.md has no line for %s", name)
		}
		return nil
	})
	if err != nil || found < 60 {
		t.Errorf("%d packages: %v", found, err)
	}
}

func readPage(t *testing.T, page string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
