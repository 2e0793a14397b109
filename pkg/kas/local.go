// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// maxEntries is the largest number of files and directories at the top of a layer.
const maxEntries = 1000

// maxAdds is the largest number of files and directories of this machine that are
// added to a stage individually.
const maxAdds = 5000

// addLocal adds the layers of a repository on this machine to the stage. Of a git
// work tree it takes the tracked files. Of another directory that is one layer, it
// leaves out what builds write there.
func (d *declarer) addLocal(r Repo) {
	for _, l := range r.Layers {
		sub := path.Clean(l.Path)
		switch t, err := d.tracked(r, l); {
		case err != nil:
			d.rep.Fail(l.At, "", "git cannot list the files of repository %s: %v", finding.Quote(r.Key), err)
			return
		case t != nil:
			d.addTracked(r, l, t)
			continue
		case sub != ".":
			d.warnSecrets(r, sub, l.At)
			d.add(r, sub, l.At)
			continue
		}
		entries, err := os.ReadDir(r.dir)
		switch {
		case err != nil:
			d.rep.Fail(l.At, "", "repository %s: %v", finding.Quote(r.Key), err)
			return
		case len(entries) > maxEntries:
			d.rep.Fail(l.At, "name its layers", "repository %s is one layer, and has %d files and directories at its top", finding.Quote(r.Key), len(entries))
			return
		}
		for _, e := range entries {
			if !d.kasOwn(r, e.Name()) && filepath.Ext(e.Name()) != ".lock" {
				d.warnSecrets(r, e.Name(), l.At)
				d.add(r, e.Name(), l.At)
			}
		}
	}
}

// kasOwn recognises what is not part of a layer: git's and other hidden files, the
// build directory, other repositories that are checked out there, and the project's
// files.
func (d *declarer) kasOwn(r Repo, name string) bool {
	full := filepath.Join(r.dir, name)
	within := func(other string) bool { return other == full || strings.HasPrefix(other, full+"/") }
	if strings.HasPrefix(name, ".") || within(filepath.Join(d.workDir, "build")) {
		return true
	}
	for _, o := range d.Repos {
		dir := o.dir
		if o.URL != "" {
			dir = o.Path
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(d.workDir, cmp.Or(dir, o.Name))
			}
		}
		if o.Key != r.Key && within(dir) {
			return true
		}
	}
	return slices.ContainsFunc(d.files, func(f string) bool {
		abs, err := filepath.Abs(f)
		return err == nil && abs == full
	})
}

// add notes a file or directory of a repository, once.
func (d *declarer) add(r Repo, name string, at finding.Span) {
	from := filepath.Join(r.dir, name)
	if _, err := os.Stat(from); err != nil {
		d.rep.Fail(at, "", "%s of repository %s: %v", finding.Quote(name), finding.Quote(r.Key), plain(err))
		return
	}
	if real, err := filepath.EvalSymlinks(from); err != nil || !d.in(r, real) {
		d.rep.Fail(at, "", "%s of repository %s is a link that leads out of the repository", finding.Quote(name), finding.Quote(r.Key))
		return
	}
	if rel, err := filepath.Rel(d.Dir, from); err == nil && filepath.IsLocal(rel) {
		from = rel
	}
	if len(d.adds) == maxAdds {
		d.rep.Fail(at, "name the layers of repositories", "more than %d files and directories of this machine", maxAdds)
		return
	}
	a := add{from, path.Join(d.treeDir(r.Key), filepath.ToSlash(name)), at}
	if !slices.ContainsFunc(d.adds, func(o add) bool { return o.to == a.to || strings.HasPrefix(a.to, o.to+"/") }) {
		d.adds = append(d.adds, a)
	}
}

// in reports whether a path without links is in a repository.
func (d *declarer) in(r Repo, real string) bool {
	root, err := filepath.EvalSymlinks(r.dir)
	return err == nil && inside(real, root)
}

// secretNames are names of files and directories that usually hold private data,
// which does not belong in an image.
var secretNames = []string{".git", ".netrc", ".ssh", ".gnupg", ".docker", ".aws", ".kube", ".config", ".git-credentials", ".env"}

// maxLooked bounds the number of files that are checked for secrets.
const maxLooked = 20000

// maxNamed is how many of those found are named.
const maxNamed = 5

// warnSecrets warns of files that are probably private, in a directory that is
// added to a stage as a whole.
func (d *declarer) warnSecrets(r Repo, name string, at finding.Span) {
	looked := 0
	var found []string
	err := filepath.WalkDir(filepath.Join(r.dir, name), func(p string, e fs.DirEntry, err error) error {
		if looked++; err != nil || looked > maxLooked || len(found) > maxNamed {
			return fs.SkipAll
		}
		if slices.Contains(secretNames, e.Name()) {
			if rel, err := filepath.Rel(r.dir, p); err == nil {
				found = append(found, rel)
			}
			if e.IsDir() {
				return fs.SkipDir
			}
		}
		return nil
	})
	if err == nil && len(found) > 0 {
		d.rep.Warn(at, "keep the layer in git: then only tracked files are taken", "repository %s adds %s to the image", finding.Quote(r.Key), some(found))
	}
}
