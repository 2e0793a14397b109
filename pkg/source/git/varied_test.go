// SPDX-License-Identifier: MPL-2.0

package git

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listTree describes everything in a tree: modes, times, contents.
func listTree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		line := fmt.Sprintf("%s %v %d", rel, st.Mode(), st.ModTime().UnixNano())
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(data), sha256.Sum256(data))
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += " -> " + to
		}
		out = append(out, line)
		return nil
	}))
	return out
}

// variedOrigin has all kinds of files, branches that must not be in a checkout, and
// tags inside and outside the history.
func variedOrigin(t *testing.T, initArgs ...string) *origin {
	t.Helper()
	o := newOrigin(t, initArgs...)
	o.git("tag", "-a", "-m", "first", "v1")
	o.commit("dir/sub/file", strings.Repeat("text\n", 1000))
	must(t, os.WriteFile(filepath.Join(o.work, "run.sh"), []byte("#!/bin/sh\n"), 0o755))
	must(t, os.Symlink("dir/sub", filepath.Join(o.work, "link")))
	must(t, os.Symlink("/nowhere", filepath.Join(o.work, "dangling")))
	must(t, os.WriteFile(filepath.Join(o.work, "-rf"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(o.work, "b\tl\na n\xffk"), []byte("odd"), 0o644))
	o.commitAll("kinds")
	o.git("tag", "light")
	o.git("checkout", "--quiet", "-b", "other")
	o.commit("secret", "not for you\n")
	o.git("tag", "after")
	o.git("checkout", "--quiet", "main")
	o.push()
	return o
}
