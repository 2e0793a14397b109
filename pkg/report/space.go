// SPDX-License-Identifier: MPL-2.0

package report

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/results"
)

// Part is a share of the space.
type Part struct {
	Name  string
	Bytes int64
	Files int
}

// Space says what takes the space of a root file system: the sizes of the files' contents,
// of each file once, whatever links there are to it.
type Space struct {
	Stage    string
	Total    Part
	Packages []Part // the largest first; nil where the stage has no package manager
	Foreign  Part   // what no package has
	top      *dir
	foreign  *dir // what no package has
}

// dir is a directory with what is in it.
type dir struct {
	name  string
	own   Part // files of the directory itself
	large []Part
	all   Part // with those of the directories below
	below map[string]*dir
}

func newDir(name string) *dir { return &dir{name: name, below: map[string]*dir{}} }

// largeFile is from which size on a file may be a part of its own, in bytes.
const largeFile = 64 << 10

// Limits of what is read of a stage.
const (
	mostListed = 256 << 20 // bytes of lists of packages
	mostLists  = 100000
	mostFiles  = 4 << 20 // in a stage
)

// listDirs are where package managers keep the lists of packages' files.
var listDirs = []string{"/var/lib/dpkg/info", "/var/lib/opkg/info", "/usr/lib/opkg/info"}

// Measure looks at all files of a root file system.
func Measure(ctx context.Context, r *results.Root, stage string) (*Space, error) {
	return measure(ctx, r, stage, mostFiles)
}

func measure(ctx context.Context, r *results.Root, stage string, most int) (*Space, error) {
	s := &Space{Stage: stage, top: newDir("/"), foreign: newDir("/")}
	owners, err := packagesOf(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("measure stage %s: %w", stage, err)
	}
	seen := map[results.FileID]bool{}
	of := map[string]*Part{}
	err = r.Each(ctx, func(e results.Entry) error {
		if !e.Regular || seen[e.ID] {
			return nil
		}
		if len(seen) >= most {
			return fmt.Errorf("it has more than %d files", most)
		}
		seen[e.ID] = true
		s.Total.add(e.Size)
		s.top.add(e.Path, e.Size)
		name, ok := owners.find(e.Path)
		if !ok {
			s.Foreign.add(e.Size)
			s.foreign.add(e.Path, e.Size)
			return nil
		}
		if of[name] == nil {
			of[name] = &Part{Name: name}
		}
		of[name].add(e.Size)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("measure stage %s: %w", stage, err)
	}
	s.top.sum()
	s.foreign.sum()
	for _, p := range of {
		s.Packages = append(s.Packages, *p)
	}
	slices.SortFunc(s.Packages, largest)
	return s, nil
}

func (p *Part) add(size int64) { p.Bytes, p.Files = p.Bytes+size, p.Files+1 }

func largest(a, b Part) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
}

// add adds a file below the directory.
func (d *dir) add(name string, size int64) {
	parts := strings.Split(strings.TrimPrefix(name, "/"), "/")
	for _, p := range parts[:len(parts)-1] {
		next := d.below[p]
		if next == nil {
			next = newDir(path.Join(d.name, p))
			d.below[p] = next
		}
		d = next
	}
	d.own.add(size)
	if size >= largeFile {
		d.large = append(d.large, Part{Name: name, Bytes: size, Files: 1})
	}
}

// sum fills in what directories have altogether.
func (d *dir) sum() {
	d.all = Part{Name: d.name, Bytes: d.own.Bytes, Files: d.own.Files}
	for _, b := range d.below {
		b.sum()
		d.all.Bytes, d.all.Files = d.all.Bytes+b.all.Bytes, d.all.Files+b.all.Files
	}
}

// Dirs are directories and files that have all files between them, the largest first. Those
// that are smaller than a share of a whole are together with others of their directory, whose
// name then ends with a star.
func (s *Space) Dirs(share float64) []Part { return s.top.parts(int64(share * float64(s.Total.Bytes))) }

// ForeignDirs is Dirs for what no package has.
func (s *Space) ForeignDirs(share float64) []Part {
	return s.foreign.parts(int64(share * float64(s.Total.Bytes)))
}

func (d *dir) parts(least int64) []Part {
	out, rest := d.divide(max(least, 1))
	if rest.Bytes > 0 {
		out = append(out, rest)
	}
	slices.SortFunc(out, largest)
	return out
}

// divide is the parts of a directory that are not small, and what is left of it: that belongs
// to the directory above, if it is small itself.
func (d *dir) divide(least int64) (out []Part, rest Part) {
	rest = d.all
	for _, f := range d.large {
		if f.Bytes >= least {
			rest.Bytes, rest.Files = rest.Bytes-f.Bytes, rest.Files-f.Files
			out = append(out, f)
		}
	}
	for _, b := range d.below {
		if b.all.Bytes < least {
			continue
		}
		parts, left := b.divide(least)
		if left.Bytes >= least {
			parts, left = append(parts, left), Part{}
		}
		rest.Bytes, rest.Files = rest.Bytes-b.all.Bytes+left.Bytes, rest.Files-b.all.Files+left.Files
		out = append(out, parts...)
	}
	if len(out) > 0 { // it is divided
		rest.Name = strings.TrimSuffix(d.name, "/") + "/*"
	}
	return out, rest
}

// owned says which package a file is of.
type owned map[string]string

// merged are the directories that are links to those below /usr of the same name, while
// lists of packages may have either.
var merged = []string{"/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libx32/"}

func (o owned) find(name string) (pkg string, ok bool) {
	if pkg, ok = o[name]; ok {
		return pkg, true
	}
	for _, dir := range merged {
		if strings.HasPrefix(name, dir) {
			pkg, ok = o[strings.TrimPrefix(name, "/usr")]
			return pkg, ok
		}
	}
	return "", false
}

// packagesOf reads the lists of the files of packages.
func packagesOf(ctx context.Context, r *results.Root) (owned, error) {
	o := owned{}
	left := int64(mostListed)
	for _, dir := range listDirs {
		names, err := r.Names(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(names) > mostLists {
			return nil, fmt.Errorf("%s has more than %d files", dir, mostLists)
		}
		for _, name := range names {
			pkg, ok := strings.CutSuffix(name, ".list")
			if !ok {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			pkg, _, _ = strings.Cut(pkg, ":") // the architecture
			n, err := o.read(r, path.Join(dir, name), pkg, left)
			if left -= n; err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// read reads the list of a package, of at most so many bytes. What is no regular file lists
// nothing.
func (o owned) read(r *results.Root, file, pkg string, most int64) (int64, error) {
	f, err := r.Open(file)
	if err != nil {
		return 0, nil //nolint:nilerr // its files are of no package then
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("the lists of packages have more than %d MiB", mostListed>>20)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	for line := range bytes.Lines(data) {
		name, _, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), "\t") // opkg writes the mode behind it
		if strings.HasPrefix(name, "/") {
			o[path.Clean(name)] = pkg
		}
	}
	return int64(len(data)), nil
}
