// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/words"
)

// pruneCommand is "carosbuild prune".
type pruneCommand struct {
	*cli.App
	olderThan, maxSize string
	all, dry           bool
	only               []string // kinds
	registry           string   // the cache of steps that is pruned, "" for this machine
}

// prunedByDefault is how long builds and cached files that are not used are kept.
const prunedByDefault = 30 * render.Day

// NewPrune is "carosbuild prune".
func NewPrune(a *cli.App) *cobra.Command {
	c := &pruneCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.BuildIDs),
		Use:               "prune [BUILDID...]",
		Short:             "Remove builds that have not been used for a while, and downloads",
		Long: `Remove builds that have not been used for a while, with their images, their logs
and the steps that no other build needs, and the downloads, git trees and caches of
stages that no build has used since. A build counts as used when a command names
it, and when it is run again, even if nothing has to be done.

It does not ask. On a terminal it lists what it is about to remove; with --dry-run it
only lists it.

An image that was pulled counts as used when it is pulled; it can be named like a build.
Images with another name, such as one given by --success-tag, stay, and so do the
images of podman's containers and the record of what tags, suites and branches were
resolved to. While a build, a shell or "carosbuild serve" is running, nothing can be
removed.

With --registry, it removes results of steps from a place of --cache instead, and
nothing on this machine: those that were written more than 30 days ago, or longer ago
than --older-than says. It prints how many they are, and lists none.`,
		Example: `  carosbuild prune --dry-run            what has not been used for 30 days
  carosbuild prune --older-than 2w
  carosbuild prune --max-size 40G       and on, until no more than that is left
  carosbuild prune --only packages,git  these kinds, as carosbuild du lists them
  carosbuild prune '2026-10-*'          these builds
  carosbuild prune registry.example.org/caros/base:1   an image that was pulled
  carosbuild prune --registry registry.example.org/caros/cache --older-than 4w`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.registry != "" {
				return c.pruneRegistry(cmd.Context(), args)
			}
			rule, most, err := c.rule(args, time.Now())
			if err != nil {
				return err
			}
			return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error {
				if c.dry {
					return c.prune(ctx, s, p, d, rule, most)
				}
				err := s.Alone(func() error { return c.prune(ctx, s, p, d, rule, most) })
				if errors.Is(err, layer.ErrInUse) {
					return &remedy.Error{Tried: err.Error(), Cure: "try again when its build, shell or serve has ended"}
				}
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.olderThan, "older-than", "", "remove what has not been used for this long, such as 12h, 10d, 4w or 3mo (default 30d)")
	f.StringVar(&c.maxSize, "max-size", "", "remove what has been unused for longest, until at most this much is left, such as 40G; the newest build stays")
	f.BoolVar(&c.all, "all", false, "remove everything that can be made or fetched again")
	f.StringSliceVar(&c.only, "only", nil, "remove only these kinds: builds (with their layers), logs, packages, git, blobs, tars, caches, kernels, plans")
	f.BoolVarP(&c.dry, "dry-run", "n", false, "only list what would be removed")
	f.StringVar(&c.registry, "registry", "", "remove old results of steps from this repository or oci:DIR (see docs/cache.md)")
	a.ForeignFlag(cmd)
	return cmd
}

// rule is what the arguments ask for; most is the bytes that may be left, negative
// for any number.
func (c *pruneCommand) rule(args []string, now time.Time) (rule history.PruneRule, most int64, err error) {
	most = -1
	if (len(args) > 0 || c.all) && (c.olderThan != "" || c.maxSize != "") || len(args) > 0 && c.all {
		return rule, most, cli.Usagef("builds by name, --all, and --older-than with --max-size cannot be combined")
	}
	for _, pattern := range args {
		if _, err := path.Match(pattern, ""); err != nil {
			return rule, most, cli.Usagef("%q: %v", pattern, err)
		}
	}
	for _, k := range c.only {
		if k == kindLayers || !slices.Contains(kinds, k) {
			return rule, most, cli.Usagef("--only %q: want one or more of %s", k, onlyKinds())
		}
	}
	if len(args) > 0 && c.only != nil {
		return rule, most, cli.Usagef("builds by name and --only cannot be combined")
	}
	rule.Builds, rule.Only = args, c.only
	if c.maxSize != "" {
		if most, err = bytesize.Parse(c.maxSize); err != nil {
			return rule, most, cli.Usagef("--max-size: %v", err)
		}
	}
	switch {
	case c.all:
		rule.All = true
	case c.olderThan != "":
		d, err := parseAge(c.olderThan)
		if err != nil {
			return rule, most, cli.Usagef("--older-than %q: %v", c.olderThan, err)
		}
		rule.Before = now.Add(-d)
	case len(args) == 0 && c.maxSize == "":
		rule.Before = now.Add(-prunedByDefault)
	}
	return rule, most, nil
}

// onlyKinds are those that can be removed alone: layers go with their builds.
func onlyKinds() string {
	return strings.Join(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == kindLayers }), ", ")
}

// ageUnits are those that Go's durations lack.
var ageUnits = []struct {
	name string
	unit time.Duration
}{{"mo", 30 * render.Day}, {"d", render.Day}, {"w", 7 * render.Day}, {"y", 365 * render.Day}}

// parseAge reads a duration: a number of days, weeks, months or years, or as Go has
// them, but for minutes alone, which somebody might take for months.
func parseAge(s string) (time.Duration, error) {
	const longest = 100 * 365 * render.Day
	wrong := errors.New("want a number of hours, days, weeks or months, such as 12h, 10d, 4w or 3mo")
	for _, u := range ageUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseUint(digits, 10, 64); err == nil && n <= uint64(longest/u.unit) {
			return time.Duration(n) * u.unit, nil
		}
		return 0, wrong
	}
	if digits, ok := strings.CutSuffix(s, "m"); ok && strings.Trim(digits, "0123456789") == "" && digits != "" {
		return 0, fmt.Errorf("a month is written %smo; for minutes write 0h%s", digits, s)
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > longest {
		return 0, wrong
	}
	return d, nil
}

func (c *pruneCommand) prune(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs, rule history.PruneRule, most int64) error {
	l, err := c.leftovers(s, p, d)
	if err != nil {
		return err
	}
	var plan *history.Pruning
	if most >= 0 {
		plan, err = l.PruneTo(rule, most)
	} else {
		plan, err = l.Prune(rule)
	}
	if err != nil {
		return err
	}
	if len(rule.Builds) > 0 && len(plan.Builds)+len(plan.Pulled)+len(plan.Units)+len(plan.InUse) == 0 {
		return cli.Usagef("no build %s of %s is stored (carosbuild images lists them)", strings.Join(rule.Builds, ", "), c.Whose())
	}
	if c.dry {
		return c.print(l, plan, most, "would be removed", "would be left")
	}
	if render.IsTerminal(c.Stdout) { // it takes a while, and who sees that it is wrong can still end it
		if err := c.printBuilds(l, plan); err != nil {
			return err
		}
		c.printSize(plan, "will be removed")
	}
	if err := plan.Remove(ctx); err != nil {
		return err
	}
	return c.print(l, plan, most, "removed", "left")
}

func (c *pruneCommand) leftovers(s *layer.Store, p layer.Paths, d cli.Dirs) (*history.Leftovers, error) {
	l := &history.Leftovers{Store: s, Records: layer.OpenRecords(layer.RecordsDir(p.GraphRoot), p.GraphRoot), Builds: localstore.Builds(p)}
	images, err := s.Images()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	l.Stages = history.StoredStages(images, l.Builds, c.Visible())
	for i := range l.Stages {
		if s := &l.Stages[i]; s.Used.After(now) { // the image says so
			s.Used = now
		}
	}
	if l.Notes, err = l.Builds.IDs(); err != nil {
		return nil, err
	}
	if l.Logs, err = history.LogUnits(d.Logs()); err != nil {
		return nil, err
	}
	hidden := localstore.Hidden(c.App, s)
	l.Pulled = localstore.Pulled(p)
	if l.Names, err = l.Pulled.Names(images, c.Visible()); err != nil {
		return nil, err
	}
	l.Notes = slices.DeleteFunc(l.Notes, hidden)
	l.Logs = slices.DeleteFunc(l.Logs, func(u evict.Unit) bool { return hidden(filepath.Base(u.Path)) })
	ofKind(l.Logs, kindLogs)
	l.Caches, err = c.cacheUnits(d, now)
	return l, err
}

// cacheUnits are what the owners of caches have to remove.
func (c *pruneCommand) cacheUnits(d cli.Dirs, now time.Time) ([]evict.Unit, error) {
	var all []evict.Unit
	for _, of := range []struct {
		kind  string
		units func() ([]evict.Unit, error)
	}{
		{kindPackages, func() ([]evict.Unit, error) { return (&debian.Fetcher{Cache: d.Packages()}).Units(now) }},
		{kindGit, c.GitCache(d, nil).Units},
		{kindBlobs, d.Blobs().Units},
		{kindTars, d.Layers().Units},
		{kindCaches, func() ([]evict.Unit, error) { return engine.CacheUnits(d.Cache) }},
		{kindKernels, func() ([]evict.Unit, error) { return rung.CacheUnits(d.Cache) }},
		{kindPlans, d.History().Units},
		{kindPlans, d.Added().Units},
		{kindPlans, func() ([]evict.Unit, error) { return d.Pins().Units(now), nil }},
	} {
		some, err := of.units()
		if err != nil {
			return nil, err
		}
		ofKind(some, of.kind)
		all = append(all, some...)
	}
	return all, nil
}

// ofKind says of units what they are.
func ofKind(units []evict.Unit, kind string) {
	for i := range units {
		units[i].Kind = kind
	}
}

// print says what goes and what is left.
func (c *pruneCommand) print(l *history.Leftovers, p *history.Pruning, most int64, gone, left string) error {
	if c.dry || !render.IsTerminal(c.Stdout) { // there it was shown before
		if err := c.printBuilds(l, p); err != nil {
			return err
		}
	}
	c.printSize(p, gone)
	for _, id := range p.InUse {
		fmt.Fprintf(c.Stderr, "carosbuild: warning: build %s stays: podman has a container of it\n", id)
	}
	if most >= 0 && p.Left > most {
		fmt.Fprintf(c.Stderr, "carosbuild: warning: the newest build alone, with everything used since, takes more than %s\n", c.maxSize)
	}
	_, err := fmt.Fprintf(c.Stdout, "%s: %s\n", left, bytesize.Format(p.Left))
	return err
}

// printSize says how much goes.
func (c *pruneCommand) printSize(p *history.Pruning, gone string) {
	layers, units := p.Size()
	fmt.Fprintf(c.Stdout, "%s: %s, %s of %s, logs and downloads of %s\n", gone, words.Count(len(p.Builds), "build"),
		words.Count(len(p.Layers()), "layer"), bytesize.Format(layers), bytesize.Format(units))
}

// printBuilds lists the builds that go.
func (c *pruneCommand) printBuilds(l *history.Leftovers, p *history.Pruning) error {
	if len(p.Builds) > 0 {
		w := tabwriter.NewWriter(c.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "BUILD ID\tSTAGES\tUSED")
		for _, id := range p.Builds {
			n, used := 0, time.Time{}
			for _, s := range l.Stages {
				if s.BuildID == id {
					used = s.Used
					if s.Status != history.Start {
						n++
					}
				}
			}
			fmt.Fprintf(w, "%s\t%d\t%s\n", id, n, render.Age(time.Since(used)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(p.Pulled) > 0 {
		w := tabwriter.NewWriter(c.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "PULLED IMAGE\tPULLED")
		for _, n := range p.Pulled {
			fmt.Fprintf(w, "%s\t%s\n", n.Name, render.Age(time.Since(n.Used)))
		}
		return w.Flush()
	}
	return nil
}
