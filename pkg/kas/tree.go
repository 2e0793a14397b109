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

// tree is a directory that files are included from: a repository, or the project's
// directory.
type tree struct {
	files  fs.FS
	dir    string // absolute, of a directory of the host
	prefix string // prefix of its files' names in findings
	of     string // added to a message about a file that does not exist: the repository
}

// openDir opens a directory of the host until close. Nothing outside it is read,
// wherever its links lead.
func (r *reader) openDir(dir, prefix string) (*tree, error) {
	if st, err := os.Stat(dir); err != nil { // opening a pipe would block
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
		_ = root.Close() // it was only read
	}
	r.roots = nil
}

// shown is the name of a file in findings.
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
	if !st.Mode().IsRegular() { // opening a pipe would block
		return nil, errors.New("it is not a regular file")
	}
	f, err := t.files.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	return limited(f)
}

// plain removes the file's name from an error, since the finding has it anyway.
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

// find is the file that an include names: relative to the tree or, as in older
// versions of kas, to the including file.
func (t *tree) find(name, from string, old bool) (string, error) {
	file := path.Clean(name)
	if beside := path.Join(path.Dir(from), name); old && !t.has(file) && fs.ValidPath(beside) && t.has(beside) {
		return beside, nil
	}
	if path.IsAbs(name) && t.dir != "" { // inside the tree it is treated like a relative path
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

// open finds the tree that contains the project's files, and their names in it.
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

// Repository is the root of the git repository that contains a file, given by its
// absolute path, or the file's directory if there is none.
func Repository(file string) string {
	dir := filepath.Dir(file)
	if root := repositoryOf(dir); root != "" {
		return root
	}
	return dir
}

// repositoryOf is the root of the git repository that contains a directory, or "".
// For a submodule it is the root of the superproject.
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

// openRepo opens the files of a repository.
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

// errOutside is for a path on this machine that a project names and that the user who
// builds it has not put there.
var errOutside = errors.New("it is outside of the project's repository and of KAS_WORK_DIR")

// outsideHint is the remedy.
const outsideHint = "to allow it, set KAS_WORK_DIR to a directory above it"

// within checks that a path, links resolved, is in the project's repository or in
// the work directory. The project may name others with bad intent.
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

// allowHint says how to allow a path that within refuses. It is "" for other
// errors.
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

// localDir is the directory of a repository without an address.
func (r *reader) localDir(p Repo) string {
	switch {
	case p.Path == "":
		return r.top.dir
	case filepath.IsAbs(p.Path):
		return filepath.Clean(p.Path)
	}
	return filepath.Join(r.WorkDir, p.Path)
}
