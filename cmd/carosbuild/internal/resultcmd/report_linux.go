// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/report"
)

// reportCommand is "carosbuild report".
type reportCommand struct {
	*cli.App
	to   string
	json bool
}

// NewReport is "carosbuild report".
func NewReport(a *cli.App) *cobra.Command {
	c := &reportCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Images, complete.Nothing),
		Use:               "report [BUILDID[:STAGE]]",
		Short:             "Print how long the steps of a build took, or make a web page about it",
		Long: `Print how long the steps of a build took, and which were cached; the default is the
newest build that has ended. With --to, make a directory with a web page instead: when
stages and steps ran, what takes the space of the stage, by package and by directory,
what has changed since the build before, and the logs. It is read without a server and
has no script.`,
		Example: `  carosbuild report
  carosbuild report 2026-11-23-101500-me --to report    and open report/index.html`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			name := strings.Join(args, "")
			if c.to == "" {
				return c.times(cmd.Context(), name)
			}
			if c.json {
				return cli.Usagef("--json and --to cannot be combined: %s is in the directory as well", history.ReportName)
			}
			if err := freshdir.Check(c.to); err != nil {
				return err
			}
			return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) error {
				return c.page(ctx, s, d, name)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "directory to make for the page; if it exists, it must be empty")
	f.BoolVar(&c.json, "json", false, "the report as JSON, as it is kept beside the logs")
	a.ForeignFlag(cmd)
	return cmd
}

// times prints a summary. It needs neither the store nor the namespaces.
func (c *reportCommand) times(ctx context.Context, name string) error {
	r, _, err := c.find(ctx, name)
	if err != nil {
		return err
	}
	if c.json {
		return render.WriteJSON(c.Stdout, r)
	}
	return printTimes(c.Stdout, r)
}

// find is the report that a name means, and its directory.
func (c *reportCommand) find(ctx context.Context, name string) (*history.Report, string, error) {
	logs, err := keptLogs(ctx, c.App)
	if err != nil {
		return nil, "", err
	}
	if name == "" {
		builds, err := logs.Builds()
		if err != nil {
			return nil, "", err
		}
		for _, b := range builds {
			if r, err := history.ReadReport(b.Dir); err == nil {
				return r, b.Dir, nil
			}
		}
		return nil, "", cli.Misnamed(errors.New("no build has left a report"))
	}
	b, _, err := logs.Find(name)
	if none := (*history.NoLogError)(nil); errors.As(err, &none) {
		err = cli.Misnamed(err)
	}
	if err != nil {
		return nil, "", err
	}
	r, err := history.ReadReport(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = cli.Misnamed(fmt.Errorf("build %s has left no report: it still runs, or was killed", b.ID))
	}
	return r, b.Dir, err
}

func (c *reportCommand) page(ctx context.Context, s *layer.Store, d cli.Dirs, name string) (err error) {
	if name == "" {
		r, _, err := c.find(ctx, name)
		if err != nil {
			return err
		}
		name = r.BuildID
	}
	b, err := openBuild(ctx, c.App, s, d, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.report == nil {
		return cli.Misnamed(fmt.Errorf("build %s has left no report: it still runs, or was killed", b.id))
	}
	hidden := localstore.Hidden(c.App, s)
	b.reports = nil
	for _, r := range readReports(d.Logs()) {
		if !hidden(r.BuildID) {
			b.reports = append(b.reports, r)
		}
	}
	in, err := b.reportInput(ctx)
	if err != nil {
		return err
	}
	if err := report.MakeDir(ctx, c.to, b.logDir, in); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, render.Printable(filepath.Join(c.to, report.PageName)))
	return err
}
