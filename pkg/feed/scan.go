// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/debfile"
)

// Package is one package file of a feed.
type Package struct {
	Dir, File           string // slash-separated directory below the feed, and file name
	Name, Version, Arch string
	Size                int64 // of the file, bytes

	control *debfile.Control
	refs    []ref
	open    func() (*os.File, error)
}

// Path is where the package is below its feed.
func (p *Package) Path() string { return path.Join(p.Dir, p.File) }

// Event says how far a run is.
type Event struct {
	Step        string // what is being done, for a person
	Done, Total int64  // bytes of package files
}

// Options are common to all work on a feed.
type Options struct {
	Jobs   int            // packages at a time
	Limits debfile.Limits // of each package
	Events func(Event)    // may be nil; called by one goroutine at a time
}

// located is a package file that was found but not read.
type located struct {
	dir, file, shown string
	open             func() (*os.File, error)
}

// Scan reads the control files of packages. A directory stands for all
// packages below it, each at its place; a file named alone goes to a directory
// named as the one that it is in, as a feed has one for each architecture. The
// result is sorted by path. Links that leave a directory are errors.
//
// The function that is returned ends the use of the packages.
func Scan(ctx context.Context, names []string, o Options) ([]*Package, func() error, error) {
	var found []located
	var roots []*os.Root
	release := func() error {
		var err error
		for _, r := range roots {
			err = errors.Join(err, r.Close())
		}
		return err
	}
	for _, name := range names {
		st, err := os.Stat(name)
		if err == nil && !st.IsDir() {
			var l located
			if l, err = locateFile(name); err == nil && !st.Mode().IsRegular() {
				err = fmt.Errorf("%s: not a regular file", name)
			}
			found = append(found, l)
		} else if err == nil {
			var root *os.Root
			if root, err = os.OpenRoot(name); err == nil {
				roots = append(roots, root)
				var more []located
				more, err = locateBelow(name, root)
				found = append(found, more...)
			}
		}
		if err != nil {
			return nil, nil, errors.Join(err, release())
		}
	}
	out, err := readAll(ctx, found, o)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return out, release, nil
}

// IsPackage reports whether a file is a package by its name.
func IsPackage(name string) bool {
	return strings.HasSuffix(name, ".ipk") || strings.HasSuffix(name, ".deb")
}

// checkName refuses what an index could not hold.
func checkName(name string) error {
	for _, r := range name {
		if r <= ' ' || r > '~' {
			return fmt.Errorf("file name %q: want printable ASCII without blanks", name)
		}
	}
	return nil
}

func locateFile(name string) (located, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return located{}, err
	}
	l := located{dir: filepath.Base(filepath.Dir(abs)), file: filepath.Base(abs), shown: name}
	if l.dir == string(filepath.Separator) {
		l.dir = "."
	}
	l.open = func() (*os.File, error) { return os.Open(name) }
	return l, errors.Join(checkName(l.dir), checkName(l.file))
}

func locateBelow(name string, root *os.Root) ([]located, error) {
	var out []located
	err := fs.WalkDir(root.FS(), ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !IsPackage(p) {
			return nil
		}
		if st, err := root.Stat(p); err != nil || !st.Mode().IsRegular() {
			return err
		}
		out = append(out, located{path.Dir(p), path.Base(p), filepath.Join(name, p), func() (*os.File, error) { return root.Open(p) }})
		return checkName(p)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return out, nil
}

// readAll reads the control file of each package.
func readAll(ctx context.Context, found []located, o Options) ([]*Package, error) {
	out := make([]*Package, len(found))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(o.Jobs, 1))
	for i, l := range found {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			pkg, err := readPackage(l, o.Limits)
			if err != nil {
				return fmt.Errorf("%s: %w", l.shown, err)
			}
			out[i] = pkg
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b *Package) int { return strings.Compare(a.Path(), b.Path()) })
	return out, nil
}

func readPackage(l located, limits debfile.Limits) (*Package, error) {
	p := &Package{Dir: l.dir, File: l.file, open: l.open}
	err := p.with(limits, func(f *debfile.File, size int64) (err error) {
		p.Size = size
		p.control, err = f.Control()
		return err
	})
	if err != nil {
		return nil, err
	}
	s := p.control.Fields
	p.Name, p.Version, p.Arch = s.Get("Package"), s.Get("Version"), s.Get("Architecture")
	p.refs = refs(s)
	return p, nil
}

// with opens the package file for f.
func (p *Package) with(l debfile.Limits, f func(d *debfile.File, size int64) error) (err error) {
	file, err := p.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	d, err := debfile.Open(file, st.Size(), l)
	if err != nil {
		return err
	}
	return f(d, st.Size())
}

// copyTo writes the package file to w.
func (p *Package) copyTo(w io.Writer) (err error) {
	file, err := p.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	n, err := io.Copy(w, file)
	if err == nil && n != p.Size {
		err = errors.New("changed while it was read")
	}
	return err
}
