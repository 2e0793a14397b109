// SPDX-License-Identifier: MPL-2.0

package kas

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// tree is a directory that files are included from: a repository, or where the
// project lies.
type tree struct {
	files  fs.FS
	dir    string // absolute, of a directory of the host
	prefix string // what findings put before the names of its files
	of     string // what a message about a file that is not there adds: the repository
}

// openDir is a directory of the host, open until close. Nothing outside of it is
// read, wherever links in it lead.
func (r *reader) openDir(dir, prefix string) (*tree, error) {
	if st, err := os.Stat(dir); err != nil { // to open a pipe would be to wait for it
		return nil, plain(err)
	} else if !st.IsDir() {
		return nil, errors.New("it is not a directory")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	r.roots = append(r.roots, root)
	return &tree{files: root.FS(), dir: dir, prefix: prefix}, nil
}

// close closes the directories.
func (r *reader) close() {
	for _, root := range r.roots {
		_ = root.Close() // it was read only
	}
	r.roots = nil
}

// shown is what findings call a file.
func (t *tree) shown(name string) string {
	if t.dir == "" {
		return t.prefix + name
	}
	return filepath.Join(t.prefix, filepath.FromSlash(name))
}

func (t *tree) read(name string) ([]byte, error) {
	st, err := fs.Stat(t.files, name)
	if err != nil {
		return nil, plain(err)
	}
	if !st.Mode().IsRegular() { // a pipe would be waited for
		return nil, errors.New("it is not a regular file")
	}
	f, err := t.files.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	return limited(f)
}

// plain is an error without the name of the file, which a finding has anyway.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func (t *tree) has(name string) bool {
	st, err := fs.Stat(t.files, name)
	return err == nil && st.Mode().IsRegular()
}

// find is the file that an include names, relative to the tree, or, as kas used
// to have it, to the file that includes it.
func (t *tree) find(name, from string, old bool) (string, error) {
	file := path.Clean(name)
	if beside := path.Join(path.Dir(from), name); old && !t.has(file) && fs.ValidPath(beside) && t.has(beside) {
		return beside, nil
	}
	if path.IsAbs(name) && t.dir != "" { // below the tree it is as good as a relative one
		rel, err := filepath.Rel(t.dir, name)
		if err != nil {
			return "", err
		}
		file = filepath.ToSlash(rel)
	}
	if !fs.ValidPath(file) {
		return "", errors.New("it is outside of the repository")
	}
	if _, err := fs.Stat(t.files, file); err != nil {
		return "", plain(err)
	}
	return file, nil
}

// open finds out which tree the project's files are in, and their names in it.
func (r *reader) open(names []string) ([]string, error) {
	var files []string
	root := ""
	for _, name := range names {
		abs, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		dir := repositoryOf(filepath.Dir(abs))
		switch {
		case dir == "" && root == "":
			root = filepath.Dir(abs)
		case root == "":
			root = dir
		case dir != "" && dir != root, dir == "" && repositoryOf(root) != "":
			return nil, fmt.Errorf("%s and %s are not in the same repository", names[0], name)
		}
		rel, err := filepath.Rel(root, abs)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, fmt.Errorf("%s is not below %s", name, root)
		}
		files = append(files, filepath.ToSlash(rel))
	}
	prefix := root
	if !filepath.IsAbs(names[0]) {
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		if prefix, err = filepath.Rel(here, root); err != nil {
			return nil, err
		}
	}
	var err error
	r.home = root
	r.top, err = r.openDir(root, prefix)
	return files, err
}

// Repository is the root of the git repository that a file, given by its absolute
// path, is in, or its directory where there is none.
func Repository(file string) string {
	dir := filepath.Dir(file)
	if root := repositoryOf(dir); root != "" {
		return root
	}
	return dir
}

// repositoryOf is the root of the git repository that a directory is in, "" for
// none. Of a submodule it is the root of the whole.
func repositoryOf(dir string) string {
	found := ""
	for {
		st, err := os.Lstat(filepath.Join(dir, ".git"))
		switch {
		case err != nil:
		case st.IsDir():
			return dir
		case st.Mode().IsRegular():
			found = dir
			data, err := readSmall(filepath.Join(dir, ".git"))
			if err != nil || !strings.Contains(data, "/modules/") {
				return dir
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return found
		}
		dir = up
	}
}

func readSmall(name string) (string, error) {
	if st, err := os.Stat(name); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := limited(f)
	return string(data), err
}

// openRepo gives the files of a repository.
func (r *reader) openRepo(p Repo) (*tree, error) {
	if p.URL == "" {
		dir := r.localDir(p)
		if err := r.within(dir); err != nil {
			return nil, err
		}
		return r.openDir(dir, dir)
	}
	if r.Open == nil {
		return nil, errors.New("it is not checked out here")
	}
	files, err := r.Open(p)
	if err != nil {
		return nil, err
	}
	return &tree{files: files, prefix: p.Key + ":", of: fmt.Sprintf(" of repository %s at %s", finding.Quote(p.Key), p.Revision())}, nil
}

// errOutside is for what a project names on this machine and that the user who builds it
// has not put there.
var errOutside = errors.New("it is outside of the project's repository and of KAS_WORK_DIR")

// outsideHint is the remedy.
const outsideHint = "to allow it, set KAS_WORK_DIR to a directory above it"

// within finds out whether a path, links resolved, is in the project's repository
// or in the work directory. What a project says of others may be a stranger's idea.
func (r *reader) within(path string) error {
	if outside, ok := confine.Is(r.Within.Check(path)); ok {
		return outside
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return plain(err)
	}
	for _, root := range []string{r.home, r.WorkDir} {
		if root, err := filepath.EvalSymlinks(root); err == nil && inside(real, root) {
			return nil
		}
	}
	return errOutside
}

// allowHint says how what within refuses is allowed, "" for other errors.
func allowHint(err error) string {
	_, confined := confine.Is(err)
	switch {
	case confined:
		return confine.Remedy
	case errors.Is(err, errOutside):
		return outsideHint
	}
	return ""
}

// inside reports whether a path is a directory or below it.
func inside(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// localDir is where a repository without an address lies.
func (r *reader) localDir(p Repo) string {
	switch {
	case p.Path == "":
		return r.top.dir
	case filepath.IsAbs(p.Path):
		return filepath.Clean(p.Path)
	}
	return filepath.Join(r.WorkDir, p.Path)
}
