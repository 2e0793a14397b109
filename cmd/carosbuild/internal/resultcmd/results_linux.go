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
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/results"
	"github.com/carosio/carosbuild/pkg/words"
)

// resultsCommand is "carosbuild results".
type resultsCommand struct {
	*cli.App
	to             string
	logs, packages bool
}

// NewResults is "carosbuild results".
func NewResults(a *cli.App) *cobra.Command {
	c := &resultsCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "results BUILDID[:STAGE] --to DIR",
		Short:             "Write the artifacts of a build into a directory",
		Example: `  carosbuild results 2026-11-23-101500-me --to out
  carosbuild results 2026-11-23-101500-me:050-yocto --to out --logs --packages`,
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.to == "" {
				return cli.Usagef("--to names no directory")
			}
			return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) error {
				return c.run(ctx, s, d, args[0])
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "directory to write into; it is made")
	f.BoolVar(&c.logs, "logs", false, "the logs too: of the build, of bitbake and its tasks")
	f.BoolVar(&c.packages, "packages", false, "the package feed too")
	a.ForeignFlag(cmd)
	return cmd
}

func (c *resultsCommand) run(ctx context.Context, s *layer.Store, d cli.Dirs, name string) (err error) {
	b, err := openBuild(c.App, s, d, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	set, err := b.collect(ctx)
	if err != nil {
		return err
	}
	items := c.items(ctx, b, set)
	problems := set.Problems
	if c.packages {
		problems = append(problems, set.FeedProblems...)
	}
	if len(items) == 0 && len(problems) == 0 {
		return fmt.Errorf("build %s has nothing to write: no <artifact> is declared, and nothing of Yocto is deployed", b.id)
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
		return fmt.Errorf("%d files that were asked for are not there or cannot be taken", n)
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
func (c *resultsCommand) items(ctx context.Context, b *stored, set *results.Set) []results.Item {
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

// stored is a build of which there are images, or at least a report.
type stored struct {
	store  *layer.Store
	report *history.Report // nil when there is none
	id     string
	stage  string // "" when no image is left
	only   bool   // the stage was asked for
	logDir string
	roots  map[string]*results.Root
	undo   []func() error
}

// openBuild finds the build, and its stage, that a name means, see history.Picker.
// A build may have left nothing but a report.
func openBuild(a *cli.App, s *layer.Store, d cli.Dirs, name string) (*stored, error) {
	id, stage, only := strings.Cut(name, ":")
	if id == "" || cli.CleanBuildID(id) != id && only || strings.Trim(id, ".") == "" || strings.Contains(name, "/") {
		return nil, cli.Usagef("%q is not a BUILDID[:STAGE]", name)
	}
	if localstore.Hidden(a, s)(id) {
		return nil, cli.Usagef("build %s belongs to another user: --foreign shows those builds", id)
	}
	found, err := localstore.Pick(a, s, true, name)
	if err == nil {
		id, stage, only = found.BuildID, found.Stage, found.Named
	}
	b := &stored{store: s, id: id, stage: stage, only: only, logDir: filepath.Join(d.Logs(), id), roots: map[string]*results.Root{}}
	none := (*history.NoStageError)(nil)
	if err != nil && (only || !errors.As(err, &none)) {
		return nil, localstore.PickError(err)
	}
	report, reportErr := history.ReadReport(b.logDir)
	b.report = report
	switch {
	case reportErr != nil && !errors.Is(reportErr, fs.ErrNotExist):
		return nil, reportErr
	case err != nil && report == nil:
		return nil, cli.Usagef("no image of a build or stage %s is stored%s", name, none.Hint)
	}
	return b, nil
}

// root is the root file system of one of the build's stages.
func (b *stored) root(ctx context.Context, stage string) (*results.Root, error) {
	if r := b.roots[stage]; r != nil {
		return r, nil
	}
	img, ok, err := b.store.ImageByName(history.ImageName(b.id, stage))
	if err == nil && !ok {
		err = fmt.Errorf("stage %s of build %s is not stored", stage, b.id)
	}
	if err != nil {
		return nil, err
	}
	dir, release, err := b.store.View(ctx, img.Top)
	if err != nil {
		return nil, err
	}
	r, err := results.OpenRoot(dir, img.Top)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	b.undo = append(b.undo, func() error { return errors.Join(r.Close(), release()) })
	b.roots[stage] = r
	return r, nil
}

func (b *stored) close() error {
	var err error
	for _, f := range slices.Backward(b.undo) {
		err = errors.Join(err, f())
	}
	return err
}

// collect finds what the build has to offer.
func (b *stored) collect(ctx context.Context) (*results.Set, error) {
	if b.stage == "" {
		return &results.Set{}, nil
	}
	q := results.Request{Stage: b.stage, Only: b.only, Root: func(stage string) (*results.Root, error) { return b.root(ctx, stage) }}
	if b.report != nil {
		q.Artifacts, q.Feeds = wanted(b.report.Artifacts), wanted(b.report.Feeds)
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
func (b *stored) logFiles() []string {
	out := logsIn(b.logDir)
	if b.report != nil {
		out = append(out, filepath.Join(b.logDir, history.ReportName))
	}
	return out
}
