// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/kas"
	"github.com/carosio/carosbuild/targets"
)

// load reads and merges declaration files, and project files of kas. A name without a directory that no
// file has may be that of an embedded target.
func (a *app) load(ctx context.Context, names []string, cache string) (*decl.Declaration, error) {
	if len(names) == 0 {
		return nil, usagef("no declaration file is named (carosbuild targets lists the built-in ones)")
	}
	if err := checkNames(names); err != nil {
		return nil, err
	}
	made := map[string]*kas.Declaration{}
	for _, name := range names {
		if files := kasFiles(name); files != nil {
			src, from, err := a.readKas(ctx, files, cache)
			if err != nil {
				return nil, err
			}
			made[src.Name] = from
			a.files = append(a.files, src)
			continue
		}
		src, err := readDeclaration(name, cache)
		if err == nil {
			err = checkText(src)
		}
		if err != nil {
			return nil, err
		}
		if err := a.addBases(src, cache); err != nil {
			return nil, err
		}
		a.files = append(a.files, src)
	}
	d, findings := decl.Parse(a.files...)
	for name, from := range made {
		from.Relocate(name, d, findings)
	}
	if findings.HasErrors() {
		return nil, &decl.FindingsError{Findings: findings}
	}
	return d, a.showFindings(findings)
}

// addBases reads what a declaration is based on, the ground first. A base that
// was read before is not read again: what others have laid over it stays.
func (a *app) addBases(src decl.Source, cache string) error {
	chain := []decl.Source{src}
	for {
		top := chain[len(chain)-1]
		name, at := decl.Base(top)
		if name == "" {
			break
		}
		base, err := readBase(top, name, cache)
		if err == nil && slices.ContainsFunc(chain, sameAs(base)) {
			err = errors.New("it is based on itself")
		}
		if err != nil {
			a.files = append(a.files, chain...) // for the message
			return &decl.FindingsError{Findings: decl.Findings{{Span: at, Summary: fmt.Sprintf("base %q: %v", name, err)}}}
		}
		chain = append(chain, base)
	}
	for _, base := range slices.Backward(chain[1:]) {
		if !slices.ContainsFunc(a.files, sameAs(base)) {
			a.files = append(a.files, base)
		}
	}
	return nil
}

// sameAs tells whether another source is the same file.
func sameAs(src decl.Source) func(decl.Source) bool {
	return func(other decl.Source) bool { return other.Name == src.Name && slices.Equal(other.Dirs, src.Dirs) }
}

// readBase looks for a base beside the declaration that names it, then among
// the embedded targets.
func readBase(src decl.Source, name, cache string) (decl.Source, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(filepath.Dir(src.Name), name)
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() { // a pipe would be waited for
		return decl.Source{}, fmt.Errorf("%s is not a regular file", path)
	}
	base, err := readFile(path)
	if err == nil && !beginsAsXML(base.Data) { // whose lines a message would show
		return decl.Source{}, fmt.Errorf("%s is not a declaration: it does not begin with <", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return base, err
	}
	if base, err := readEmbedded(name, cache); !errors.Is(err, fs.ErrNotExist) {
		return base, err
	}
	return base, fmt.Errorf("no %s, and none of that name is built in", path)
}

// beginsAsXML reports whether a file may be a declaration. What a declaration
// names as its base is somebody else's choice, and may be any file.
func beginsAsXML(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	return len(data) > 0 && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("<"))
}

func embedded() []string {
	names, err := fs.Glob(targets.FS, "*.xml")
	if err != nil {
		return nil
	}
	return names
}

func readDeclaration(name, cache string) (decl.Source, error) {
	src, err := readFile(name)
	if !errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(name, filepath.Separator) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = noDeclaration(name)
		case err != nil:
			err = usageError{err}
		}
		return src, err
	}
	if src, err = readEmbedded(name, cache); errors.Is(err, fs.ErrNotExist) {
		err = noDeclaration(name)
	}
	return src, err
}

// noDeclaration says that there is no such file, and which one is most like it.
func noDeclaration(name string) error {
	dir, base := filepath.Split(name)
	known, where := []string{}, "in this folder, and none of that name is built in"
	if dir == "" {
		known = embedded()
	} else {
		where = "in " + dir
	}
	files, err := os.ReadDir(filepath.Clean(dir))
	for _, f := range files {
		if !f.IsDir() && (strings.HasSuffix(f.Name(), ".xml") || kasFiles(f.Name()) != nil) {
			known = append(known, f.Name())
		}
	}
	if err != nil {
		where += ", which cannot be read: " + err.Error()
	}
	hint := ""
	if known := decl.DidYouMean(base, known); known != "" {
		hint = " (" + known + ")"
	}
	return usageError{withoutHelp{fmt.Errorf("there is no declaration %s %s%s\n%-12s carosbuild targets lists the built-in ones", base, where, hint, "remedy:")}}
}

func readFile(name string) (decl.Source, error) {
	data, err := readLimited(name)
	if err != nil {
		return decl.Source{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(name))
	return decl.Source{Name: name, Dirs: []string{dir}, Data: data}, err
}

// readLimited reads a file up to a byte more than a declaration may have: a
// device has no end.
func readLimited(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16<<20+1))
}

func readEmbedded(name, cache string) (decl.Source, error) {
	data, err := targets.FS.ReadFile(name)
	if err != nil {
		return decl.Source{}, fs.ErrNotExist
	}
	cwd, err := os.Getwd()
	if err != nil {
		return decl.Source{}, err
	}
	dir, err := unpackTargets(cache)
	// What lies in the current folder wins, as it does for the declaration.
	return decl.Source{Name: name, Dirs: []string{cwd, dir}, Data: data}, err
}

// unpackTargets writes the files of the embedded targets below the cache
// directory, in a directory named after their contents.
func unpackTargets(cache string) (string, error) {
	h := sha256.New()
	files := map[string][]byte{}
	err := fs.WalkDir(targets.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := targets.FS.ReadFile(p)
		files[p] = data
		fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		return err
	})
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "targets", hex.EncodeToString(h.Sum(nil))[:16])
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

// intact reports whether the files are there as they should be: a cleaner of
// caches, or a power cut, may have been at them.
func intact(dir string, files map[string][]byte) bool {
	for p, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(p)))
		if err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}
