// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestThreatsNamesTests wants each test that THREATS.md names in the folder that follows
// in parentheses.
func TestThreatsNamesTests(t *testing.T) {
	page, err := os.ReadFile("../THREATS.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	named := regexp.MustCompile("((?:`Test\\w+`,? )+)\\(`([\\w/]+)`\\)").FindAllStringSubmatch(text, -1)
	found := 0
	for _, m := range named {
		tests := testsIn(t, filepath.Join("..", m[2]))
		for _, name := range regexp.MustCompile(`Test\w+`).FindAllString(m[1], -1) {
			found++
			if !strings.Contains(tests, "func "+name+"(") {
				t.Errorf("%s has no %s", m[2], name)
			}
		}
	}
	if all := strings.Count(text, "`Test"); found != all || found < 40 {
		t.Errorf("%d tests are named, %d of them with a folder", all, found)
	}
}

// testsIn are the texts of a folder's tests.
func testsIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}
