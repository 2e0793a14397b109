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
// cached or not. The folder must not exist yet, or be empty. Open gives the sources; before
// that, it may put into the directory of parts of mirrors what Collect would not find.
func Collect(ctx context.Context, p *plan.Plan, dir string, open func(debian string) (Sources, error)) (Collected, error) {
	var out Collected
	err := freshdir.Make(dir, func(tmp string) (err error) {
		if err := os.Chmod(tmp, 0o755); err != nil { // apt in a step reads it as another account
			return err
		}
		c := collector{dir: tmp, images: map[string]bool{}, commits: map[string][]string{}}
		if c.Sources, err = open(filepath.Join(tmp, debianName)); err != nil {
			return err
		}
		if err := c.all(ctx, p); err != nil {
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
	images  map[string]bool
	commits map[string][]string // by address
}

func (c *collector) all(ctx context.Context, p *plan.Plan) error {
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

// finish writes the list.
func (c *collector) finish(ctx context.Context) (Collected, error) {
	out := Collected{Images: len(c.list.Images)}
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
		if path.Ext(f.Path) == ".deb" {
			out.Packages++
		}
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
