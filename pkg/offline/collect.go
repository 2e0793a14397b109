// SPDX-License-Identifier: MPL-2.0

package offline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Sources are where what a plan needs comes from.
type Sources struct {
	Packages *debian.Fetcher
	Host     debian.Host
	Git      *git.Cache
	Find     func(ctx context.Context, ref, arch string) (oci.Source, error)
	Now      func() time.Time
	Recorded string                   // directory with what apt in steps has fetched, see debian.Host.Record; "" for none
	Program  string                   // version
	Note     func(stage, text string) // what the folder is going to lack
}

// Collected is what a folder has got.
type Collected struct {
	Files                     int
	Size                      int64 // bytes
	Packages, Images, Commits int
}

// Collect makes a folder with what the steps of a plan need, whether their results are
// cached or not. The folder must not exist yet, or be empty.
func Collect(ctx context.Context, s Sources, p *plan.Plan, dir string) (Collected, error) {
	var out Collected
	err := freshdir.Make(dir, func(tmp string) (err error) {
		c := collector{Sources: s, dir: tmp, debs: map[string]bool{}, images: map[string]bool{}, commits: map[string][]string{}}
		if err := c.all(ctx, p); err != nil {
			return err
		}
		if err := c.addRecorded(); err != nil {
			return err
		}
		out, err = c.finish(ctx)
		return err
	})
	return out, err
}

// collector is a folder that is being filled.
type collector struct {
	Sources
	dir     string
	list    list
	debs    map[string]bool
	images  map[string]bool
	commits map[string][]string // by address
}

func (c *collector) all(ctx context.Context, p *plan.Plan) error {
	if err := os.Chmod(c.dir, 0o755); err != nil { // apt in a step reads it as another account
		return err
	}
	for i := range p.Stages {
		j := &p.Stages[i]
		for k := range j.Steps {
			if err := c.step(ctx, j, &j.Steps[k]); err != nil {
				return fmt.Errorf("stage %s: %w", j.ID, err)
			}
		}
	}
	for _, url := range slices.Sorted(maps.Keys(c.commits)) {
		name, err := c.Git.Bundle(ctx, url, c.commits[url], filepath.Join(c.dir, gitName))
		if err != nil {
			return err
		}
		c.list.Git = append(c.list.Git, GitName{File: name, URL: git.Redact(url), Commits: c.commits[url]})
	}
	return nil
}

func (c *collector) step(ctx context.Context, j *plan.Job, s *plan.Step) error {
	switch a := s.Action.(type) {
	case *plan.Bootstrap:
		for _, p := range a.Packages.Packages {
			c.debs[path.Base(p.Filename)] = true
		}
		return c.Packages.Export(ctx, a.Wanted, c.Host, c.Now(), a.Packages, filepath.Join(c.dir, debianName))
	case *plan.From:
		return c.image(ctx, j, a)
	case *plan.Reposync:
		for _, p := range a.From {
			if !slices.Contains(c.commits[p.URL], p.Commit) {
				c.commits[p.URL] = append(c.commits[p.URL], p.Commit)
			}
		}
	}
	return nil
}

func (c *collector) image(ctx context.Context, j *plan.Job, a *plan.From) error {
	if oci.IsLocal(a.Pinned) {
		if a.Pinned != "scratch" {
			c.Note(j.ID, "image "+a.Image+" is of this machine: bring it along yourself")
		}
		return nil
	}
	if c.images[a.Pinned] {
		return nil
	}
	c.images[a.Pinned] = true
	src, err := c.Find(ctx, a.Pinned, a.Arch)
	if err != nil {
		return err
	}
	if _, err := src.Check(ctx, oci.Limits{}.WithDefaults()); err != nil {
		return err
	}
	if err := oci.WriteLayout(ctx, src.Image, filepath.Join(c.dir, imagesName), plan.DigestOf(a.Pinned)); err != nil {
		return fmt.Errorf("image %s: %w", a.Image, err)
	}
	c.list.Images = append(c.list.Images, ImageName{Name: a.Image, Pinned: a.Pinned})
	return nil
}

// addRecorded adds what apt in steps has fetched. Where a bootstrap has read another state
// of an index, the one that apt has read counts.
func (c *collector) addRecorded() error {
	if c.Recorded == "" {
		return nil
	}
	return filepath.WalkDir(c.Recorded, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(c.Recorded, name)
		if err != nil {
			return err
		}
		if filepath.Ext(rel) == ".deb" {
			c.debs[filepath.Base(rel)] = true
		}
		to := filepath.Join(c.dir, debianName, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return copyFile(name, to)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// finish writes the list.
func (c *collector) finish(ctx context.Context) (Collected, error) {
	out := Collected{Packages: len(c.debs), Images: len(c.list.Images)}
	for _, ids := range c.commits {
		out.Commits += len(ids)
	}
	if err := os.Remove(filepath.Join(c.dir, imagesName, ".lock")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	c.list.Version, c.list.Program = formatVersion, c.Program
	err := filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		rel, err := filepath.Rel(c.dir, name)
		if err != nil {
			return err
		}
		f := file{Path: filepath.ToSlash(rel)}
		if f.Size, f.SHA256, err = digest(name); err != nil {
			return err
		}
		out.Files++
		out.Size += f.Size
		c.list.Files = append(c.list.Files, f)
		return nil
	})
	if err != nil {
		return out, err
	}
	data, err := json.MarshalIndent(c.list, "", " ")
	if err != nil {
		return out, err
	}
	return out, os.WriteFile(filepath.Join(c.dir, listName), append(data, '\n'), 0o644)
}

func digest(name string) (int64, string, error) {
	in, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, in)
	return n, hex.EncodeToString(sum.Sum(nil)), err
}
