// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/release"
	"github.com/carosio/carosbuild/pkg/results"
)

// releaseCommand is "carosbuild release" with its flags.
type releaseCommand struct {
	*cli.App
	to, since, template, version, packages string
	vars                                   []string
	link                                   bool
	values                                 map[string]string // of the template
	date                                   time.Time         // zero: when the build ended
}

// NewRelease is "carosbuild release".
func NewRelease(a *cli.App) *cobra.Command {
	c := &releaseCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "release BUILDID[:STAGE] --to DIR",
		Short:             "Write a release: images, checksums, packages and changes since an earlier one",
		Long: "Write a directory with the disks and artifacts of a build, their checksums, the list of the packages in its stage, and\n" +
			"all of this as data; with --since, also the changes since an earlier release.\n\n" +
			"The template for names may contain {id}, {stage}, {disk}, {version}, {date}, {name} and {ext} (the image's own name and\n" +
			"extension), and the names that --var sets.",
		Example: "  carosbuild release 2016-04-01-101500-me --to 16.04 --since 16.03 --version 16.04 \\\n" +
			"    --var distro=caros --name-template '{distro}-{version}-{disk}.{ext}'",
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.check(); err != nil {
				return err
			}
			return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) error {
				return c.run(ctx, s, d, args[0])
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "directory to create; if it exists, it must be empty")
	f.StringVar(&c.since, "since", "", "earlier release: its directory, or BUILDID[:STAGE]")
	f.StringVar(&c.template, "name-template", release.DefaultTemplate, "names of images")
	f.StringVar(&c.version, "version", "", "version of the release")
	f.StringArrayVar(&c.vars, "var", nil, "NAME=VALUE for the template; may be repeated")
	f.StringVar(&c.packages, "packages", "", "list of packages in the stage: a status file of dpkg or opkg, or Yocto's .manifest (default where dpkg and opkg have it)")
	a.ForeignFlag(cmd)
	f.BoolVar(&c.link, "link", false, "make hard links to the images instead of copies, where the file system allows it")
	return cmd
}

// check finds mistakes before anything is opened.
func (c *releaseCommand) check() error {
	if c.to == "" {
		return cli.Usagef("--to is missing: it names a directory")
	}
	if err := freshdir.Check(c.to); err != nil {
		return err
	}
	c.values = map[string]string{"version": c.version}
	for _, name := range []string{"id", "stage", "disk", "date", "name", "ext"} {
		c.values[name] = "x" // until it is known
	}
	for _, v := range c.vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" || value == "" || strings.ContainsAny(name, "{}") {
			return cli.Usagef("--var %q: want NAME=VALUE", v)
		}
		c.values[name] = value
	}
	if _, err := release.Expand(c.template, c.values); err != nil {
		return cli.Usage(err)
	}
	epoch, err := c.SourceDateEpoch()
	if err == nil && epoch != nil {
		c.date = time.Unix(*epoch, 0).UTC()
	}
	return err
}

func (c *releaseCommand) run(ctx context.Context, s *layer.Store, d cli.Dirs, name string) (err error) {
	b, err := openBuild(ctx, c.App, s, d, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.report == nil || b.report.Status != history.Done {
		return fmt.Errorf("build %s has not finished, or has no report", b.id)
	}
	if stage, step, skipped := b.report.FirstSkipped(); skipped {
		return fmt.Errorf("build %s is not what its declaration says: step %d of stage %s failed and counts as done; build it without resume --skip", b.id, step, stage)
	}
	r, err := c.describe(ctx, b)
	if err != nil {
		return err
	}
	r.Version = c.version
	if !c.date.IsZero() {
		r.Date = c.date
	}
	former, err := c.former(ctx, s, d)
	if err != nil {
		return err
	}
	sources, err := c.sources(ctx, b, r)
	if err != nil {
		return err
	}
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	o := release.Options{Log: c.layerLog(d), Progress: func(name string, done, total int64) {
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: "release " + name, Done: done, Total: total})
	}}
	if err := release.Write(ctx, c.to, r, sources, former, o); err != nil {
		return err
	}
	view.Close()
	_, err = fmt.Fprintf(c.Stderr, "%s: %d images, %d packages, %d git layers\n", c.to, len(r.Images), len(r.Packages), len(r.Layers))
	return err
}

// describe is what the report and the stage of a build say.
func (c *releaseCommand) describe(ctx context.Context, b *build) (*release.Release, error) {
	r := &release.Release{BuildID: b.id, Stage: b.stage, Packages: []release.Package{}, Layers: []release.Layer{}}
	if b.report != nil {
		r.Date = b.report.End.UTC().Truncate(time.Second)
		for _, t := range b.report.Trees {
			r.Layers = append(r.Layers, release.Layer{Path: t.Path, URL: t.URL, Revision: t.Revision, Commit: t.Commit, Mirror: t.Mirror})
		}
	}
	if b.stage == "" {
		return r, nil
	}
	root, err := b.root(ctx, b.stage)
	if err != nil {
		return nil, err
	}
	r.Packages, err = release.FindPackages(c.packages, func(name string) (io.ReadCloser, error) { return root.Open(name) })
	return r, err
}

// former is what --since names.
func (c *releaseCommand) former(ctx context.Context, s *layer.Store, d cli.Dirs) (_ *release.Release, err error) {
	if c.since == "" {
		return nil, nil
	}
	if _, err := os.Lstat(filepath.Join(c.since, release.DataName)); err == nil {
		return release.Read(c.since)
	}
	if strings.ContainsRune(c.since, filepath.Separator) {
		return nil, cli.Usagef("--since %s: there is no %s in it", c.since, release.DataName)
	}
	b, err := openBuild(ctx, c.App, s, d, c.since)
	if err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return c.describe(ctx, b)
}

// sources are the disks that the build wrote, and its artifacts.
func (c *releaseCommand) sources(ctx context.Context, b *build, r *release.Release) ([]release.Source, error) {
	var out []release.Source
	disks := map[string]string{} // of outputs, by name
	for _, o := range b.report.Outputs {
		disks[filepath.Base(o.Path)] = o.Disk
		s := release.Source{Name: filepath.Base(o.Path), Format: o.Format, SHA256: o.SHA256, Open: func() (results.Content, error) { return openOutput(o) }}
		if c.link {
			s.Link = o.Path
		}
		out = append(out, s)
	}
	set, err := b.collect(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range set.Problems {
		if p.Declared {
			return nil, fmt.Errorf("artifact %s", problemText(p))
		}
	}
	for _, f := range set.Artifacts {
		out = append(out, release.Source{Name: path.Base(f.Name), Open: f.Open})
	}
	c.values["id"], c.values["stage"] = b.id, r.Stage
	c.values["date"] = r.Date.Format("2006-01-02")
	if err := release.NameFiles(out, c.template, c.values, disks, b.report.Disk); err != nil {
		return nil, cli.Usage(err)
	}
	return out, nil
}

// openOutput opens a disk, which must be the one that the build wrote.
func openOutput(o history.Output) (results.Content, error) {
	f, st, err := results.OpenFile(o.Path)
	if err != nil {
		return nil, err
	}
	if !o.Is(st) {
		return nil, errors.Join(fmt.Errorf("%s is not the file that the build wrote", o.Path), f.Close())
	}
	return f, nil
}

// layerLog reads logs from the mirrors that builds have left. It fetches
// nothing.
func (c *releaseCommand) layerLog(d cli.Dirs) release.Log {
	cache := c.GitCache(d, render.Quiet{})
	return func(ctx context.Context, url, from, to string) ([]release.Commit, error) {
		entries, err := cache.Log(ctx, url, from, to)
		var out []release.Commit
		for _, e := range entries {
			out = append(out, release.Commit{ID: e.Commit, Time: e.Time, Subject: e.Subject})
		}
		return out, err
	}
}
