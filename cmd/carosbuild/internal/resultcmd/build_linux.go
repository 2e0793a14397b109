// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/results"
)

// withStored calls f with a build in the store. The name "" means the newest build that
// has left a report.
func withStored(a *cli.App, cmd *cobra.Command, name string, f func(ctx context.Context, b *build, d cli.Dirs) error) error {
	return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) (err error) {
		hidden := localstore.Hidden(a, s)
		reports := slices.DeleteFunc(readReports(d.Logs()), func(r *history.Report) bool { return hidden(r.BuildID) })
		if name == "" {
			if len(reports) == 0 {
				return cli.Usagef("there is no report of any build: name a build that carosbuild images lists")
			}
			name = reports[0].BuildID
		}
		b, err := openBuild(ctx, a, s, d, name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.close()) }()
		b.reports = reports
		return f(ctx, b, d)
	})
}

// openBuild finds the build, and its stage, that a name means, see history.Picker.
// A build may have left nothing but a report.
func openBuild(ctx context.Context, a *cli.App, s *layer.Store, d cli.Dirs, name string) (*build, error) {
	id, stage, only := strings.Cut(name, ":")
	if id == "" || cli.CleanBuildID(id) != id && only || strings.Trim(id, ".") == "" || strings.Contains(name, "/") {
		return nil, cli.Usagef("%q is not a BUILDID[:STAGE]", name)
	}
	if localstore.Hidden(a, s)(id) {
		return nil, cli.Usagef("build %s belongs to another user: --foreign shows those builds", id)
	}
	found, err := localstore.Pick(ctx, a, s, true, name)
	if err == nil {
		id, stage, only = found.BuildID, found.Stage, found.Named
	}
	b := &build{id: id, stage: stage, only: only, logDir: filepath.Join(d.Logs(), id), roots: map[string]*results.Root{}}
	b.open = func(ctx context.Context, stage string) (*results.Root, func() error, error) {
		return openStage(ctx, s, id, stage)
	}
	b.openFormer = func(ctx context.Context, build, stage string) (*results.Root, func() error, error) {
		return openStage(ctx, s, build, stage)
	}
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
		return nil, cli.Usagef("the store has no image of a build or stage %s%s", name, none.Hint)
	}
	return b, nil
}

// openStage opens the root file system of a stage in the store.
func openStage(ctx context.Context, s *layer.Store, id, stage string) (*results.Root, func() error, error) {
	img, ok, err := s.ImageByName(history.ImageName(id, stage))
	if err == nil && !ok {
		err = fmt.Errorf("stage %s of build %s is not stored", stage, id)
	}
	if err != nil {
		return nil, nil, err
	}
	dir, release, err := s.View(ctx, img.Top)
	if err != nil {
		return nil, nil, err
	}
	r, err := results.OpenRoot(dir, img.Top)
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return r, release, nil
}
