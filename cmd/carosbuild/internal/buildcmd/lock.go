// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/confine"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/words"
)

// NewLock is "carosbuild lock".
func NewLock(a *cli.App) *cobra.Command {
	c := &planner{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Declarations),
		Use:               "lock FILE...",
		Short:             "Record which versions image tags, suites and git branches stand for",
		Long: `Record which versions image tags, suites and git branches stand for, beside the first
declaration as FILE.lock. A build that finds that file takes what it says
instead of what registries and mirrors have by then; with --locked it refuses
to take anything else. Keep it together with the declaration.

What is in FILE.lock already stays as it is, unless --update is given.
PROJECT.yml, a project of kas, is a declaration here, too.`,
		Example: `  carosbuild lock vmware.xml site.xml
  carosbuild vmware.xml site.xml --locked --out caros.vmdk`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.lock(cmd)
		},
	}
	declfile.RemoteFlag(cmd.Flags(), &c.remotes)
	declfile.HiddenKasFlags(c.App, cmd.Flags())
	declfile.ConfineFlag(c.App, cmd.Flags())
	cmd.Flags().BoolVar(&c.update, "update", false, "resolve everything again")
	a.OfflineFlag(cmd.Flags())
	return cmd
}

// lock resolves all stages and writes the lock file.
func (c *planner) lock(cmd *cobra.Command) error {
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	j, err := c.loadJob(cmd.Context(), true)
	if err != nil {
		return err
	}
	var targets []string
	for _, s := range j.decl.Stages {
		targets = append(targets, s.ID)
	}
	old, err := c.readLock()
	if err != nil && !c.update {
		return err
	}
	r, err := c.resolver(j, view, old)
	if err != nil {
		return err
	}
	r.Note = nil // what is not locked yet is about to be
	r.Partial = c.Offline
	res, err := r.Resolve(cmd.Context(), j.decl, targets)
	if err == nil && len(res.Unresolved) > 0 {
		err = c.unknown(j, res, targets)
	}
	if err != nil {
		return err
	}
	l, err := res.Lock(j.decl, targets)
	if err != nil {
		return err
	}
	path := declfile.LockPath(c.declFiles)
	view.Close()
	if old != nil && l.Within(old) && old.Within(l) {
		_, err := fmt.Fprintf(c.Stdout, "%s is unchanged: %s\n", path, lockSummary(l))
		return err
	}
	if err := l.Write(path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s: %s\n", path, lockSummary(l))
	return err
}

func lockSummary(l *resolve.Lock) string {
	packages := 0
	for _, b := range l.Bootstraps {
		packages += len(b.Packages)
	}
	var parts []string
	if n := len(l.Images); n > 0 {
		parts = append(parts, words.Count(n, "image"))
	}
	if n := len(l.Bootstraps); n > 0 {
		parts = append(parts, words.Count(n, "bootstrap")+" with "+words.Count(packages, "package"))
	}
	if n := len(l.Git); n > 0 {
		parts = append(parts, words.Count(n, "git revision"))
	}
	if len(parts) == 0 {
		return "nothing to lock"
	}
	return strings.Join(parts, ", ")
}

// readLock is the lock file of the declaration, or nil when there is none.
func (c *planner) readLock() (*resolve.Lock, error) {
	if len(c.declFiles) == 0 {
		return nil, nil
	}
	path := declfile.LockPath(c.declFiles)
	if outside, ok := confine.Is(c.Within.Check(path)); ok {
		return nil, cli.LockError(fmt.Errorf("%w\n%-12s %s", outside, "remedy:", confine.Remedy))
	}
	l, err := resolve.ReadLock(path)
	switch {
	case err == nil:
		return l, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, cli.LockError(err)
	case c.locked:
		return nil, cli.LockError(fmt.Errorf("--locked: there is no %s: carosbuild lock writes it", path))
	}
	return nil, nil
}

// resolver looks things up as the flags ask for.
func (c *planner) resolver(j *buildJob, view render.Display, lock *resolve.Lock) (*resolve.Resolver, error) {
	if c.update && c.Offline {
		return nil, cli.Usagef("--update asks registries, mirrors and git servers, which --offline and --vendor do not")
	}
	fetcher, host, err := fetcher(c.App, j.dirs, view)
	if err != nil {
		return nil, err
	}
	rewrites, err := c.Rewrites(c.remotes)
	if err != nil {
		return nil, err
	}
	c.WarnRemotes(rewrites.Flags, j.decl)
	registry := c.Registry(j.store)
	registry.Events = c.Transfers(view)
	r := &resolve.Resolver{
		Within: c.Within, Pins: j.dirs.Pins(), Fetcher: fetcher, Host: host, Registry: registry, Git: c.GitCache(j.dirs, view), Added: j.dirs.Added(), Rewrites: rewrites,
		Arch: debian.Arch(runtime.GOARCH), Epoch: j.epoch, Update: c.update, Now: time.Now,
		Bases: bases(j.started), Lock: lock, Locked: c.locked,
	}
	if c.update {
		r.Lock = nil
	}
	if !userns.Inside(c.Getenv) {
		r.Note = func(stage, text string) {
			if stage != "" {
				text = "stage " + stage + ": " + text
			}
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text})
		}
	}
	return r, nil
}

// warnLock says that a lock file is not what was built.
func (c *planner) warnLock(lock *resolve.Lock, res *resolve.Resolved, d *decl.Declaration, targets []string) error {
	if lock == nil || !c.update || len(res.Unresolved) > 0 {
		return nil
	}
	l, err := res.Lock(d, targets)
	if err != nil {
		return err
	}
	if !l.Within(lock) {
		c.Warnf("%s has other images, packages or revisions than are built now: carosbuild lock --update writes a new one", declfile.LockPath(c.declFiles))
	}
	return nil
}
