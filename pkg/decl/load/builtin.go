// SPDX-License-Identifier: MPL-2.0

package load

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
)

// Loader reads declarations, among them built-in ones.
type Loader struct {
	BuiltIn fs.FS          // the built-in declarations at its top, and directories with the files that they name
	Dir     string         // where the files of the built-in declarations are unpacked
	Within  *confine.Roots // folders that files may be read from; Dir has to be among them
}

// Embedded is a built-in declaration; the error is fs.ErrNotExist if there is none
// of that name. The files that it names are unpacked.
func (l Loader) Embedded(name string) (decl.Source, error) {
	data, err := fs.ReadFile(l.BuiltIn, name)
	if err != nil {
		return decl.Source{}, fs.ErrNotExist
	}
	cwd, err := os.Getwd()
	if err != nil {
		return decl.Source{}, err
	}
	dir, err := l.unpack()
	dirs := []string{cwd, dir} // the current folder comes first, as for the declaration
	if _, outside := confine.Is(l.Within.Check(cwd)); outside {
		dirs = dirs[1:]
	}
	return decl.Source{Name: name, Dirs: dirs, Data: data}, err
}

// unpack writes the built-in files below Dir, in a directory named after their
// contents.
func (l Loader) unpack() (string, error) {
	h := sha256.New()
	files := map[string][]byte{}
	err := fs.WalkDir(l.BuiltIn, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(l.BuiltIn, p)
		files[p] = data
		fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(l.Dir, hex.EncodeToString(h.Sum(nil))[:16])
	if intact(dir, files) {
		return dir, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	for p, data := range files {
		path := filepath.Join(temp, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return "", err
		}
	}
	if err := os.Rename(temp, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, nil
}

// intact reports whether the files are complete and unchanged: a cleaner of caches
// or a power failure may have damaged them.
func intact(dir string, files map[string][]byte) bool {
	for p, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p)))
		if err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}
