// SPDX-License-Identifier: MPL-2.0

package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeLog knows the history 1, 2, 3 of any address that does not say "none".
func fakeLog(_ context.Context, url, from, to string) ([]Commit, error) {
	if strings.Contains(url, "none") {
		return nil, errors.New("no mirror with secret")
	}
	var out []Commit
	for id := to; id > from; id = fmt.Sprint(id[0] - '1') {
		out = append(out, Commit{ID: id, Subject: "subject of " + id})
	}
	return out, nil
}

func TestComparePackages(t *testing.T) {
	former := []Package{{"a", "1", "all"}, {"b", "1", "all"}, {"c", "1", "amd64"}, {"c", "1", "i386"}, {"k", "1", "x"}, {"k", "2", "x"}}
	now := []Package{{"a", "1", "all"}, {"b", "2", "all"}, {"c", "1", "amd64"}, {"k", "2", "x"}, {"k", "3", "x"}, {"n", "1", "all"}}
	var got Changes
	got.packages(now, former)
	want := Changes{
		Added:   []Package{{"k", "3", "x"}, {"n", "1", "all"}},
		Removed: []Package{{"c", "1", "i386"}, {"k", "1", "x"}},
		Changed: []PackageChange{{"b", "all", "1", "2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangesText(t *testing.T) {
	now := &Release{
		Version: "16.04", BuildID: "b", Date: time.Unix(1459519200, 0),
		Packages: []Package{{"lib", "1.1", "all"}, {"new*", "1", "all"}},
		Layers: []Layer{
			{Path: "/l/back", URL: "git://none/back", Mirror: "/srv/back", Commit: "1"},
			{Path: "/l/forth", URL: "https://user:secret@h/forth", Commit: "3"},
			{Path: "/l/moved", URL: "https://h/none", Commit: "2"},
			{Path: "/l/new", URL: "https://h/new", Commit: "2"},
			{Path: "/l/same", Commit: "1"},
		},
	}
	former := &Release{
		BuildID: "a", Packages: []Package{{"lib", "1.0", "all"}, {"old", "1", "all"}},
		Layers: []Layer{
			{Path: "/l/back", URL: "git://none/back", Commit: "3"},
			{Path: "/l/forth", URL: "https://h/forth", Commit: "1"},
			{Path: "/l/gone", URL: "https://u:secret@h/gone", Commit: "2"},
			{Path: "/l/moved", URL: "https://old/none", Commit: "1"},
			{Path: "/l/same", Commit: "1"},
		},
	}
	now.Changes = compare(t.Context(), now, former, fakeLog)
	want := `# 16.04: changes since a

Build b of 2016-04-01.

## Packages

1 changed, 1 added, 1 removed.

### Changed

- lib (all): 1.0 → 1.1

### Added

- new\* (all) 1

### Removed

- old (all) 1

## Git layers

### /l/back

git://none/back

3 to 1:

- taken back: 3 subject of 3
- taken back: 2 subject of 2

### /l/forth

https://h/forth

1 to 3:

- 3 subject of 3
- 2 subject of 2

### /l/moved

https://h/none, before: https://old/none

1 to 2; there is no log: the two commits are not both in the cache of git layers.

### /l/new

https://h/new

New, at 2.

### /l/gone

https://h/gone

Removed; it was at 2.
`
	if diff := cmp.Diff(want, now.markdown()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	now.Changes = compare(t.Context(), now, now, fakeLog)
	if got := now.markdown(); !strings.Contains(got, "No package has changed.") || !strings.Contains(got, "No layer has changed.") {
		t.Errorf("nothing has changed: got\n%s", got)
	}
	now.Changes = compare(t.Context(), now, &Release{}, fakeLog)
	if got := now.markdown(); !strings.Contains(got, "has no list of packages") || strings.Contains(got, "Added") {
		t.Errorf("no list: got\n%s", got)
	}
}

func TestMarkdownOfOthers(t *testing.T) {
	for in, want := range map[string]string{
		"<script>&":             "&lt;script>&amp;",
		"[x](javascript:y) *z*": `\[x\](javascript:y) \*z\*`,
		"a\n# b\x1b[2J":         "a\uFFFD\\# b\uFFFD\\[2J",
		"`c` \\ _d_ | ~e~ !f":   "\\`c\\` \\\\ \\_d\\_ \\| \\~e\\~ \\!f",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestLongLog(t *testing.T) {
	x := LayerChange{Old: "a", New: "b"}
	x.read(t.Context(), "u", func(_ context.Context, _, _, to string) ([]Commit, error) {
		if to == "a" {
			return nil, nil
		}
		return make([]Commit, MaxCommits+7), nil
	})
	if len(x.Commits) != MaxCommits || x.Omitted != 7 {
		t.Errorf("got %d commits, %d omitted", len(x.Commits), x.Omitted)
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"distro": "caros", "version": "16.04", "ext": "raw.zst", "up": "../x", "none": ""}
	if got, err := Expand("{distro}-{version}.{ext}", values); err != nil || got != "caros-16.04.raw.zst" {
		t.Errorf("got %q, error %v", got, err)
	}
	for _, bad := range []string{"", "{nothing}", "{distro", "{up}", "a/b", ".x", "-x", "{none}x", "SHA256SUMS", "release.json", "a\nb", strings.Repeat("x", 256)} {
		if got, err := Expand(bad, values); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
	for file, want := range map[string][2]string{
		"caros.vmdk": {"caros", "vmdk"}, "/o/a.b.raw.zst": {"a.b", "raw.zst"}, "none": {"none", ""}, ".hidden": {".hidden", ""},
		"core-image.wic.bmap": {"core-image", "wic.bmap"}, "d.raw.zst.bmap": {"d", "raw.zst.bmap"}, "end.": {"end.", ""}, "a.1.ova": {"a.1", "ova"}, "x.gz": {"x", "gz"},
	} {
		name, ext := SplitName(file)
		if got := [2]string{name, ext}; got != want {
			t.Errorf("%s: got %q, want %q", file, got, want)
		}
	}
}
