// SPDX-License-Identifier: MPL-2.0

package results

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Wanted is a declared artifact or feed.
type Wanted struct {
	Stage string // "" is the one that is asked for
	Path  string // in the stage; of an artifact, a pattern
	Name  string // "" is as in the stage; ends with a slash for a directory
}

// Request says what to collect.
type Request struct {
	Artifacts []Wanted // none: what Yocto has deployed
	Feeds     []Wanted // none: Yocto's
	Stage     string   // of what names none
	Only      bool     // leave out what is of other stages
	Root      func(stage string) (*Root, error)
}

// Set are the results of a build. Names are unique, and no file is named as
// a directory.
type Set struct {
	Artifacts    []File
	Packages     []File // by name below the feed; of several feeds, each in a directory
	Problems     []Problem
	FeedProblems []Problem
}

// Problem is what cannot be had.
type Problem struct {
	Path     string // in the stage
	Declared bool   // it was asked for
	Err      error
}

// Taken are the names that an artifact cannot have, for something else of the
// results has them.
var Taken = []string{
	"SHA256SUMS", "build.json", "builds", "cooker-logs.tar.gz", "disks", "log.txt", "logs", "package-logs.tar.gz", "packages", "packages.tar", "report.html",
}

// Collect finds the results. It fails when the context ends or when what Yocto
// has made cannot be read; what is wrong with one file is a Problem.
func Collect(ctx context.Context, q Request) (*Set, error) {
	c := &collector{request: q, set: &Set{}, names: map[string]bool{}}
	for _, w := range q.Artifacts {
		if err := c.each(ctx, w, c.artifact); err != nil {
			return nil, err
		}
	}
	if len(q.Artifacts) == 0 {
		if err := c.each(ctx, Wanted{Path: imagesDir}, c.deployed); err != nil {
			return nil, err
		}
	}
	byName(c.set.Artifacts)
	artifacts := c.set.Problems
	c.set.Problems = nil
	if err := c.feeds(ctx); err != nil {
		return nil, err
	}
	byName(c.set.Packages)
	c.set.Problems, c.set.FeedProblems = artifacts, c.set.Problems
	return c.set, nil
}

// collector fills a Set.
type collector struct {
	request Request
	set     *Set
	names   map[string]bool // of artifacts: true for a file, false for a directory
}

// each calls f with the stage that something is wanted from.
func (c *collector) each(ctx context.Context, w Wanted, f func(ctx context.Context, r *Root, w Wanted) error) error {
	stage := w.Stage
	if stage == "" {
		stage = c.request.Stage
	}
	if c.request.Only && stage != c.request.Stage {
		return nil
	}
	r, err := c.request.Root(stage)
	if err != nil {
		c.problem(w.Path, true, err)
		return nil
	}
	if err := f(ctx, r, w); err != nil {
		return fmt.Errorf("stage %s: %w", stage, err)
	}
	return nil
}

func (c *collector) problem(p string, declared bool, err error) {
	c.set.Problems = append(c.set.Problems, Problem{p, declared, err})
}

// artifact collects what a declared artifact matches.
func (c *collector) artifact(ctx context.Context, r *Root, w Wanted) error {
	paths, err := r.glob(w.Path)
	if err != nil {
		c.problem(w.Path, true, err)
		return nil
	}
	if len(paths) > 1 && w.Name != "" && !strings.HasSuffix(w.Name, "/") {
		c.problem(w.Path, true, fmt.Errorf("it matches %d files, but has only one name, %q: end the name with a slash", len(paths), w.Name))
		return nil
	}
	for _, p := range paths {
		name := w.Name
		if name == "" || strings.HasSuffix(name, "/") {
			name += path.Base(p)
		}
		n, err := r.stat(p)
		switch {
		case err != nil:
			c.problem(p, true, err)
		case n.isDir():
			err = c.below(ctx, r, p, name, true, func(f File) { c.add(f, true) })
		case n.isFile():
			c.add(newFile(r, p, name, n), true)
		default:
			c.problem(p, true, ErrKind)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if n.isDir() && err != nil {
			c.problem(p, true, err)
		}
	}
	return nil
}

// errDirLink says why a link is left out.
var errDirLink = errors.New("it is a link to a directory, and links to directories are not followed inside of a directory")

// below collects the files below a directory, those that links lead to
// included.
func (c *collector) below(ctx context.Context, r *Root, dir, name string, declared bool, add func(File)) error {
	files := 0
	return r.walk(ctx, dir, func(rel string, e fs.DirEntry) error {
		p := path.Join(dir, rel)
		if files++; files > maxFiles {
			return fmt.Errorf("it has more than %d files", maxFiles)
		}
		if !regular(e) && !link(e) {
			c.problem(p, declared, ErrKind)
			return nil
		}
		n, err := r.stat(p)
		switch {
		case err != nil:
			c.problem(p, declared, err)
		case n.isFile():
			add(newFile(r, p, path.Join(name, rel), n))
		case n.isDir():
			c.problem(p, declared, errDirLink)
		default:
			c.problem(p, declared, ErrKind)
		}
		return nil
	})
}

// add takes a file unless its name is taken.
func (c *collector) add(f File, declared bool) {
	if err := c.free(f.Name); err != nil {
		c.problem(f.path, declared, err)
		return
	}
	c.names[f.Name] = true
	for dir := path.Dir(f.Name); dir != "."; dir = path.Dir(dir) {
		c.names[dir] = false
	}
	c.set.Artifacts = append(c.set.Artifacts, f)
}

func (c *collector) free(name string) error {
	top, _, _ := strings.Cut(name, "/")
	if slices.Contains(Taken, top) {
		return fmt.Errorf("the name %q is reserved: choose another name", top)
	}
	if _, ok := c.names[name]; ok {
		return fmt.Errorf("the name %q is taken by another artifact", name)
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if c.names[dir] {
			return fmt.Errorf("the name %q is used for a file and for a directory", dir)
		}
	}
	return nil
}
