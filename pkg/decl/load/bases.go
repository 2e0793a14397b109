// SPDX-License-Identifier: MPL-2.0

package load

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Bases reads the files that a declaration is based on, the lowest first. A base
// that is in before is not read again, so that it does not replace what later files
// have declared. An error is a finding.ListError; it comes with the files that its
// findings are in.
func (l Loader) Bases(src decl.Source, before []decl.Source) ([]decl.Source, error) {
	chain := []decl.Source{src}
	for {
		top := chain[len(chain)-1]
		name, at := decl.Base(top)
		if name == "" {
			break
		}
		base, err := l.base(top, name)
		if outside, ok := confine.Is(err); ok {
			return chain, &finding.ListError{Findings: finding.Findings{outside.Finding(at, fmt.Sprintf("base %q", name))}}
		}
		if err == nil && slices.ContainsFunc(chain, sameAs(base)) {
			err = errors.New("it is based on itself")
		}
		if err != nil {
			return chain, &finding.ListError{Findings: finding.Findings{{Span: at, Summary: fmt.Sprintf("base %q: %v", name, err)}}}
		}
		chain = append(chain, base)
	}
	var bases []decl.Source
	for _, base := range slices.Backward(chain[1:]) {
		if !slices.ContainsFunc(before, sameAs(base)) {
			bases = append(bases, base)
		}
	}
	return bases, nil
}

// base looks for a base beside the declaration that names it, then among
// the built-in ones.
func (l Loader) base(src decl.Source, name string) (decl.Source, error) {
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(filepath.Dir(src.Name), name)
	}
	data, err := l.read(path)
	_, outside := confine.Is(err)
	switch {
	case err == nil && !BeginsAsXML(data): // whose lines the message would show
		return decl.Source{}, fmt.Errorf("%s is not a declaration: it does not begin with <", path)
	case err == nil:
		return source(path, data)
	case !outside && !errors.Is(err, fs.ErrNotExist):
		return decl.Source{}, err
	}
	if built, err := l.Embedded(name); !errors.Is(err, fs.ErrNotExist) {
		return built, err
	}
	if outside {
		return decl.Source{}, err
	}
	return decl.Source{}, fmt.Errorf("no %s, and none of that name is built in", path)
}

// read is Limited for a regular file that may be read.
func (l Loader) read(path string) ([]byte, error) {
	found, done, err := l.Within.Open(path)
	if err != nil {
		return nil, err
	}
	defer done()
	if st, err := os.Stat(found); err == nil && !st.Mode().IsRegular() { // opening a pipe would block
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := Limited(found)
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		pe.Path = path
	}
	return data, err
}
