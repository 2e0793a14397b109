// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// logsCommand is "carosbuild logs".
type logsCommand struct {
	*cli.App
	follow, failed, json bool
	since                string
}

// NewLogs is "carosbuild logs".
func NewLogs(a *cli.App) *cobra.Command {
	c := &logsCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "logs [BUILDID[:STAGE]]",
		Short:             "Print the log of a build or a stage, also while the build runs",
		Long: `Print the log of a build or a stage: what --progress=plain has shown, with the time
of each line. The default is the newest build, which may still run.`,
		Example: `  carosbuild logs --follow               what a build in another terminal does, until it ends
  carosbuild logs 2026-11-23-101500-me:base
  carosbuild logs --failed               the step that failed last
  carosbuild logs --since 10m            the last ten minutes of the newest build
  carosbuild logs --json | jq .kind      the events, see docs/progress.md`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			return c.run(cmd.Context(), strings.Join(args, ""))
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&c.follow, "follow", "f", false, "go on until the build ends")
	f.StringVar(&c.since, "since", "", "only what is newer than a time (14:30, 2026-11-30T14:30:00Z) or a duration (90s, 10m, 2d)")
	f.BoolVar(&c.failed, "failed", false, "only the step that failed (default of the newest build with such a step)")
	f.BoolVar(&c.json, "json", false, "the events of the build as JSON, one a line (see docs/progress.md)")
	f.BoolVar(&a.Foreign, "foreign", false, "include the builds of other users of this store") // -f is what other programs have for --follow
	_ = cmd.RegisterFlagCompletionFunc("since", complete.Args(a, complete.Nothing))            // of another command it is a build
	return cmd
}

func (c *logsCommand) run(ctx context.Context, name string) error {
	filter := &history.EventFilter{}
	if c.since != "" {
		var err error
		if filter.Since, err = history.ParseSince(c.since, time.Now()); err != nil {
			return cli.Usagef("--since: %w", err)
		}
	}
	logs, err := keptLogs(ctx, c.App)
	if err != nil {
		return err
	}
	b, err := c.find(logs, name, filter)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(c.Stdout, 64<<10)
	err = c.print(ctx, b, filter, w)
	if err = errors.Join(err, w.Flush()); errors.Is(err, syscall.EPIPE) {
		return cli.Exit(cli.ExitNotRead)
	}
	return err
}

// keptLogs are the logs of this user's builds. They are read as the caller, outside of the
// namespaces, and without the store.
func keptLogs(ctx context.Context, a *cli.App) (history.Logs, error) {
	d, err := a.Dirs()
	if err != nil {
		return history.Logs{}, err
	}
	logs := history.Logs{Dir: d.Logs()}
	if p, err := localstore.Paths(ctx, a); err == nil && !a.Foreign {
		logs.Hidden = func(id string) bool { return localstore.Builds(p).Foreign(id, a.Owner()) }
	}
	return logs, nil
}

// find finds the build, and fills in which of its events are meant.
func (c *logsCommand) find(logs history.Logs, name string, filter *history.EventFilter) (b history.LoggedBuild, err error) {
	if c.failed && name == "" {
		b, filter.Stage, err = logs.Failed()
	} else {
		b, filter.Stage, err = logs.Find(name)
	}
	if none := (*history.NoLogError)(nil); errors.As(err, &none) {
		return b, cli.Misnamed(err)
	}
	if err != nil || !c.failed {
		return b, err
	}
	r, err := history.ReadReport(b.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if err != nil || r.Failed == nil || filter.Stage != "" && r.Failed.Stage != filter.Stage {
		return b, cli.Misnamed(fmt.Errorf("no step of %s has failed", strings.TrimSuffix(b.ID+":"+filter.Stage, ":")))
	}
	filter.Stage, filter.Step = r.Failed.Stage, r.Failed.Step
	return b, nil
}

func (c *logsCommand) print(ctx context.Context, b history.LoggedBuild, filter *history.EventFilter, w *bufio.Writer) (err error) {
	events, err := history.OpenEvents(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return c.printFiles(ctx, b, filter, w)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, events.Close()) }()
	lines, ended := render.NewEventLines(w), false
	each := func(e *history.KeptEvent) error {
		ended = ended || e.IsEnd()
		if !filter.Takes(e) {
			return nil
		}
		if c.json {
			_, err := w.Write(e.Raw)
			return err
		}
		if e.Kind == progress.StepOutput { // of which there may be many
			return lines.Show(e.Event)
		}
		return lines.Print(e.Raw)
	}
	if c.follow {
		err = events.Follow(ctx, each, w.Flush)
	} else {
		err = events.Each(ctx, each)
	}
	if err == nil && !ended && !events.Running() && c.Progress != "quiet" {
		err = w.Flush()
		fmt.Fprintf(c.Stderr, "note: build %s was killed: there is no event of its end\n", b.ID)
	}
	return err
}

// printFiles prints the logs of a build that has left no events: of an older version, or
// where these could not be kept.
func (c *logsCommand) printFiles(ctx context.Context, b history.LoggedBuild, filter *history.EventFilter, w *bufio.Writer) error {
	if c.json || c.since != "" || c.failed {
		return fmt.Errorf("build %s has left no events, which have the times: only its whole log can be printed, without --json, --since and --failed", b.ID)
	}
	stages := b.Stages()
	if filter.Stage != "" {
		stages = []string{filter.Stage}
	}
	for _, s := range stages {
		if err := render.LogFile(ctx, w, filepath.Join(b.Dir, history.LogName(s)), s); err != nil {
			return err
		}
	}
	return nil
}
