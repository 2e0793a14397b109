// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/words"
)

// trackedTree has the files that git tracks in a directory. Names are
// slash-separated, and relative to it.
type trackedTree struct {
	dir   string              // absolute
	files map[string]bool     // tracked files
	below map[string][]string // names of tracked files and directories, by directory
}

// tracked returns the files that git tracks in a layer's directory. It is nil if
// git tracks nothing there, so that all files count.
func (d *declarer) tracked(r Repo, l Layer) (*trackedTree, error) {
	t := &trackedTree{dir: filepath.Join(r.dir, filepath.FromSlash(l.Path)), files: map[string]bool{}, below: map[string][]string{}}
	if st, err := os.Stat(t.dir); d.Known == nil || err != nil || !st.IsDir() || repositoryOf(t.dir) == "" {
		return nil, nil
	}
	known, others, err := d.Known(t.dir)
	if err != nil {
		return nil, err
	}
	if len(known) == 0 {
		d.rep.Warn(l.At, "git add its files", "git tracks no file of %s: all files are taken, also those that a build writes there", t.dir)
		return nil, nil
	}
	for _, name := range known {
		t.files[name] = true
		for child := name; child != "."; child = path.Dir(child) {
			up := path.Dir(child)
			_, seen := t.below[up]
			t.below[up] = append(t.below[up], path.Base(child))
			if seen {
				break
			}
		}
	}
	others = slices.DeleteFunc(others, func(name string) bool {
		first, _, _ := strings.Cut(name, "/")
		return path.Clean(l.Path) == "." && d.kasOwn(r, first)
	})
	if len(others) > 0 {
		d.rep.Warn(l.At, "git add what the build needs", "untracked files of repository %s are left out: %s", finding.Quote(r.Key), some(others))
	}
	return t, nil
}

// some lists the first of many names.
func some(names []string) string {
	const most = 5
	var out []string
	for _, n := range names[:min(most, len(names))] {
		out = append(out, finding.Quote(n))
	}
	if more := len(names) - most; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return words.List(out)
}

// addTracked adds the tracked files of a layer to the stage.
func (d *declarer) addTracked(r Repo, l Layer, t *trackedTree) {
	if path.Clean(l.Path) != "." {
		d.addBelow(r, l, t, ".")
		return
	}
	for _, name := range t.entries(".") {
		if !d.kasOwn(r, name) {
			d.addBelow(r, l, t, name)
		}
	}
}

// addBelow adds a file or a directory to the stage: a directory as a whole if git
// tracks everything in it.
func (d *declarer) addBelow(r Repo, l Layer, t *trackedTree, name string) {
	_, err := os.Lstat(filepath.Join(t.dir, name))
	switch {
	case err != nil: // it is deleted, and the deletion is not committed yet
	case t.files[name] || t.whole(name):
		d.add(r, path.Join(l.Path, name), l.At)
	default:
		for _, e := range t.entries(name) {
			d.addBelow(r, l, t, path.Join(name, e))
		}
	}
}

// entries are the names of tracked files and directories in a directory, sorted.
func (t *trackedTree) entries(dir string) []string {
	all := slices.Clone(t.below[dir])
	slices.Sort(all)
	return slices.Compact(all)
}

// whole reports whether everything in a directory is tracked.
func (t *trackedTree) whole(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(t.dir, dir))
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case t.files[name]:
		case !e.IsDir() || t.below[name] == nil || !t.whole(name):
			return false
		}
	}
	return true
}
