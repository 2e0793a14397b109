// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatrixPage compares the places and sandboxes of the table in docs/ci.md with those
// that TestReachMatrix tries.
func TestMatrixPage(t *testing.T) {
	header, page := matrixPage(t)
	if diff := cmp.Diff(header, matrixHeader(sandboxNames(t, newWorld(t)))); diff != "" {
		t.Errorf("columns (-page +tried):\n%s", diff)
	}
	for _, p := range places() {
		if _, ok := page[p.name]; !ok {
			t.Errorf("the page has no line for %s", p.name)
		}
		delete(page, p.name)
	}
	for name := range page {
		t.Errorf("%s is on the page, and not tried", name)
	}
}

func matrixHeader(sandboxes []string) []string {
	header := []string{"where", "taken"}
	for _, s := range sandboxes {
		header = append(header, "`"+s+"`")
	}
	return append(header, "buildah")
}

func pageRow(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// matrixPage is the table of docs/ci.md: its header, and the other cells by the first one.
func matrixPage(t *testing.T) (header []string, rows map[string][]string) {
	t.Helper()
	data, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "\n## What works where\n")
	rows = map[string][]string{}
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "| "):
		case header == nil:
			header = cells
		default:
			rows[cells[0]] = cells[1:]
		}
	}
	return header, rows
}

// cell is what the page says of a result.
func (m *matrix) cell(t *testing.T, what string, worked bool, sum, why string) string {
	t.Helper()
	switch {
	case what == "taken" && sum == "":
		return "none"
	case what == "taken":
		return "`" + sum + "`"
	case worked && what != "buildah" && sum != m.want[declared(what)]:
		t.Errorf("sandbox %s gives another disk", what)
		return "another disk"
	case worked:
		return "yes"
	case what == "buildah":
		return "no"
	}
	return inWords(why)
}

// inWords is why a sandbox does not work, as short as a table wants it.
func inWords(why string) string {
	for _, w := range [][2]string{
		{"noexec", "refused: `noexec`"},
		{"make a user namespace", "no user namespace"},
		{"has 0 subordinate ids", "no ids"},
		{"newuidmap", "newuidmap may not"},
		{"map ids of a user namespace", "cannot map ids"},
		{"only the superuser can", "not root"},
		{"give a file to another user", "cannot give files away"},
		{"make a device node", "no device nodes"},
	} {
		if strings.Contains(why, w[0]) {
			return w[1]
		}
	}
	return "no: " + why
}

// onPage are the cells of some columns of the table, without the first, by the place.
func onPage(t *testing.T, columns []string) map[string][]string {
	t.Helper()
	header, rows := matrixPage(t)
	some := map[string][]string{}
	for name, cells := range rows {
		for _, c := range columns[1:] {
			if i := slices.Index(header, c); i > 0 && i <= len(cells) {
				some[name] = append(some[name], cells[i-1])
			}
		}
	}
	return some
}
