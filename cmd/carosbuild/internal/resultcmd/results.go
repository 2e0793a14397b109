// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/results"
	"github.com/carosio/carosbuild/pkg/words"
)

// resultsCommand is "carosbuild results".
type resultsCommand struct {
	*cli.App
	source
	to             string
	paths          []string
	logs, packages bool
}

// NewResults is "carosbuild results".
func NewResults(a *cli.App) *cobra.Command {
	c := &resultsCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Images, complete.Nothing),
		Use:               "results BUILDID[:STAGE] --to DIR",
		Short:             "Write the artifacts of a build into a directory",
		Long:              "Write the artifacts of a build into a directory.\n\n" + sourceHelp,
		Example: `  carosbuild results 2026-11-23-101500-me --to out
  carosbuild results 2026-11-23-101500-me:050-yocto --to out --logs --packages
  carosbuild results oci:some/directory --path '/boot/vmlinuz*' --to out`,
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.to == "" {
				return cli.Usagef("--to is missing: it names a directory")
			}
			return c.with(a, cmd, args[0], c.run)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "directory to write into; it is created")
	f.StringArrayVar(&c.paths, "path", nil, "path or pattern in the stage to write, in place of declared and deployed artifacts; may be repeated")
	c.flags(cmd)
	f.BoolVar(&c.logs, "logs", false, "also write the logs of the build, of bitbake and of its tasks")
	f.BoolVar(&c.packages, "packages", false, "also write the package feed")
	a.ForeignFlag(cmd)
	return cmd
}

func (c *resultsCommand) run(ctx context.Context, b *build, _ cli.Dirs) error {
	var declared []results.Wanted
	for _, p := range c.paths {
		declared = append(declared, results.Wanted{Path: p})
	}
	set, err := b.collect(ctx, declared)
	if err != nil {
		return err
	}
	items := c.items(ctx, b, set)
	problems := set.Problems
	if c.packages {
		problems = append(problems, set.FeedProblems...)
	}
	if len(items) == 0 && len(problems) == 0 {
		return fmt.Errorf("%s has nothing to write: no <artifact> is declared, and Yocto has deployed nothing", b.what())
	}
	if len(items) > 0 {
		if err := results.Write(ctx, c.to, items, runtime.NumCPU()); err != nil {
			return err
		}
	}
	for _, f := range set.Artifacts {
		fmt.Fprintln(c.Stdout, render.Printable(filepath.Join(c.to, f.Name)))
	}
	if len(items) > 0 { // otherwise there is no directory
		fmt.Fprintf(c.Stderr, "%s in %s, the digests in %s\n", words.Count(len(items), "file"), c.to, results.SumsName)
	}
	return c.missing(problems)
}

// missing reports what could not be had. It is an error when somebody has
// asked for it.
func (c *resultsCommand) missing(problems []results.Problem) error {
	n := 0
	for _, p := range problems {
		fmt.Fprintf(c.Stderr, "left out: %s\n", render.Printable(problemText(p)))
		if p.Declared {
			n++
		}
	}
	if n > 0 {
		return fmt.Errorf("%s that %s asked for cannot be read", words.Count(n, "file"), map[bool]string{true: "was", false: "were"}[n == 1])
	}
	return nil
}

// problemText is a problem as a line of text.
func problemText(p results.Problem) string {
	var pe *fs.PathError
	if errors.As(p.Err, &pe) && pe.Path == p.Path {
		return p.Path + ": " + pe.Err.Error()
	}
	return p.Path + ": " + p.Err.Error()
}

// items are all files that the flags ask for.
func (c *resultsCommand) items(ctx context.Context, b *build, set *results.Set) []results.Item {
	var items []results.Item
	for _, f := range set.Artifacts {
		items = append(items, f.Item(f.Name))
	}
	if c.packages {
		for _, f := range set.Packages {
			items = append(items, f.Item("packages/"+f.Name))
		}
	}
	if !c.logs {
		return items
	}
	for _, name := range b.logFiles() {
		items = append(items, results.Stream("logs/"+filepath.Base(name), func(_ context.Context, w io.Writer) error {
			f, _, err := results.OpenFile(name)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = io.Copy(w, f)
			return err
		}))
	}
	r, err := b.root(ctx, b.stage)
	if err != nil {
		return items // a build without stages has logs of its own only
	}
	cooker, packages := r.HasLogs()
	if cooker {
		items = append(items, archive("cooker-logs", r.CookerLogs))
	}
	if packages {
		items = append(items, archive("package-logs", r.PackageLogs))
	}
	return items
}

// archive is a compressed archive of files that are looked for when it is
// written.
func archive(name string, find func(context.Context) ([]results.File, error)) results.Item {
	return results.Stream(name+".tar.gz", func(ctx context.Context, w io.Writer) error {
		files, err := find(ctx)
		if err != nil {
			return err
		}
		return results.WriteTarGzip(ctx, w, name, files)
	})
}

// build is a build of which there are images, or at least a report; or an image from
// elsewhere.
type build struct {
	// open opens the root file system of a stage; release is to be called after the
	// root's Close.
	open func(ctx context.Context, stage string) (root *results.Root, release func() error, err error)
	// openFormer is open for a stage of another build; nil where there is none.
	openFormer func(ctx context.Context, build, stage string) (root *results.Root, release func() error, err error)
	report     *history.Report // nil when there is none
	id         string
	stage      string // "" when no image is left
	only       bool   // the stage was asked for
	image      bool   // it is an image from elsewhere, whose reference is id
	logDir     string // "" when it has no logs

	reports []*history.Report // of all builds that may be shown, the newest first
	roots   map[string]*results.Root
	undo    []func() error
}

// root is the root file system of one of the build's stages.
func (b *build) root(ctx context.Context, stage string) (*results.Root, error) {
	if r := b.roots[stage]; r != nil {
		return r, nil
	}
	r, release, err := b.open(ctx, stage)
	if err != nil {
		return nil, err
	}
	b.undo = append(b.undo, func() error { return errors.Join(r.Close(), release()) })
	b.roots[stage] = r
	return r, nil
}

func (b *build) close() error {
	var err error
	for _, f := range slices.Backward(b.undo) {
		err = errors.Join(err, f())
	}
	return err
}

// collect finds what the build has to offer: the artifacts at these paths or, if there
// are none, those that were declared or deployed.
func (b *build) collect(ctx context.Context, paths []results.Wanted) (*results.Set, error) {
	if b.stage == "" {
		return &results.Set{}, nil
	}
	q := results.Request{Stage: b.stage, Only: b.only, Root: func(stage string) (*results.Root, error) { return b.root(ctx, stage) }}
	if b.report != nil {
		q.Artifacts, q.Feeds = wanted(b.report.Artifacts), wanted(b.report.Feeds)
	}
	if len(paths) > 0 {
		q.Artifacts = paths
	}
	return results.Collect(ctx, q)
}

func wanted(all []history.Artifact) []results.Wanted {
	var out []results.Wanted
	for _, a := range all {
		out = append(out, results.Wanted{Stage: a.Stage, Path: a.Path, Name: a.Name})
	}
	return out
}

// logFiles are the logs of the build's stages, and its report.
func (b *build) logFiles() []string {
	out := logsIn(b.logDir)
	if b.report != nil {
		out = append(out, filepath.Join(b.logDir, history.ReportName))
	}
	return out
}

// what says in a message what is meant.
func (b *build) what() string {
	if b.image {
		return "image " + b.id
	}
	return "build " + b.id
}
