// SPDX-License-Identifier: MPL-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sources calls f with every file of the program, its tests and its scripts.
func sources(t *testing.T, f func(path, text string)) {
	t.Helper()
	for _, top := range []string{"cmd", "pkg", "targets", "integration", "scripts", "Makefile"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".sh", ""}, filepath.Ext(path)) {
				return err
			}
			data, err := os.ReadFile(path)
			f(path, string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestReferencePage compares docs/reference.md with the variables and the exit
// statuses that the sources have.
func TestReferencePage(t *testing.T) {
	data, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	name, setting := regexp.MustCompile(`_?CAROSBUILD_[A-Z][A-Z_]*[A-Z]`), regexp.MustCompile(`\b[ac]\.Env\("([A-Z_]+)"`)
	found := map[string]string{}
	statuses := 0
	sources(t, func(path, text string) {
		for _, m := range name.FindAllString(text, -1) {
			found[m] = path
		}
		for _, m := range setting.FindAllStringSubmatch(text, -1) {
			found["CAROSBUILD_"+m[1]] = path
		}
		for _, m := range regexp.MustCompile(`(?m)^\tExit[A-Z]\w+ += ([0-9]+)$`).FindAllStringSubmatch(text, -1) {
			statuses++
			if !strings.Contains(page, "\n| "+m[1]+" | ") {
				t.Errorf("exit status %s of %s is not described", m[1], path)
			}
		}
	})
	for v, path := range found {
		if !strings.Contains(page, "`"+v+"`") {
			t.Errorf("%s, which %s has, is not described", v, path)
		}
	}
	for _, v := range name.FindAllString(page, -1) {
		if found[v] == "" {
			t.Errorf("%s is described, and no source has it", v)
		}
	}
	if len(found) < 10 || statuses < 6 {
		t.Errorf("only %d variables and %d exit statuses were found", len(found), statuses)
	}
}
