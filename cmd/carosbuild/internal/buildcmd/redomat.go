// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/userns"
)

// redomatFlags are redomat's options, beside those that a build has anyway.
type redomatFlags struct {
	images       bool
	list         string
	listBuilds   bool
	checkoutOnly bool
	successTag   string
	shortened    map[string]string // option as given -> in full
	own          []string          // options of the command that only begin like one of redomat's
}

// add defines them; other options of redomat are options of a build anyway.
func (c *redomatFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&c.list, "list", "l", "", "list the images of this build, id and name, and do nothing else")
	f.BoolVarP(&c.listBuilds, "list-bids", "L", false, "list the ids of all builds, and do nothing else")
	f.BoolVarP(&c.checkoutOnly, "checkout", "c", false, "check out the git layers below this folder, and do nothing else (see carosbuild checkout)")
	f.BoolVarP(&c.images, "images", "i", false, "does nothing")
	f.Lookup("images").Hidden = true
	f.StringVar(&c.successTag, "success-tag", "", "name the target's image REPO:TAG if the build succeeds")
	f.SetNormalizeFunc(c.lengthen)
}

// redomatOptions are the long options that could be given by any beginning that
// only one of them has.
var redomatOptions = []string{
	"append-local-conf", "checkout", "dry-run", "entry", "foreign", "help", "images", "list", "list-bids", "match-build-id",
	"new-build-id", "skip-failure-commit", "success-tag", "target", "upgrade",
}

// lengthen completes a shortened option of redomat. Options that have come
// since are to be written out.
func (c *redomatFlags) lengthen(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if slices.Contains(redomatOptions, name) || slices.Contains(c.own, name) {
		return pflag.NormalizedName(name)
	}
	var found []string
	for _, o := range redomatOptions {
		if strings.HasPrefix(o, name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return pflag.NormalizedName(name)
	}
	if c.shortened == nil {
		c.shortened = map[string]string{}
	}
	c.shortened[name] = found[0]
	return pflag.NormalizedName(found[0])
}

// warnings are about options that are still understood, for scripts.
func (c *buildCommand) warnings() {
	for _, short := range slices.Sorted(maps.Keys(c.shortened)) {
		c.Warnf("--%s stands for --%s: write it out", short, c.shortened[short])
	}
	if c.images {
		c.Warnf("--images does nothing: use carosbuild images")
	}
	if c.entry.Stage != "" && c.entry.Upgrade == "" {
		c.Warnf("--entry has no effect without --upgrade")
	}
	if repo, _, _ := strings.Cut(c.successTag, "@"); repo != "" && !strings.Contains(repo, "/") {
		c.Warnf("--success-tag %s has no slash: it cannot be pushed to a registry by that name", c.successTag)
	}
}

// checkOptions finds what is wrong with redomat's options by themselves.
func (c *buildCommand) checkOptions(buildID string) error {
	if !cli.BuildIDs().MatchString(buildID) || len(buildID) > 128 {
		return cli.Usagef("--new-build-id: %q cannot be part of an image's name: letters and digits, and a dot, an underscore or dashes between them", buildID)
	}
	if _, err := path.Match(c.entry.Match, ""); err != nil {
		return cli.Usagef("--match-build-id %q: %v", c.entry.Match, err)
	}
	if c.locked && c.update {
		return cli.Usagef("--locked and --update contradict each other: carosbuild lock --update writes a new lock file")
	}
	if c.successTag == "" {
		return nil
	}
	if _, err := oci.FullName(c.successTag); err != nil {
		return cli.Usagef("--success-tag: %v", err)
	}
	if slash := strings.LastIndexByte(c.successTag, '/'); !strings.Contains(c.successTag[slash+1:], ":") {
		return cli.Usagef("--success-tag %s: want REPO:TAG", c.successTag)
	}
	return nil
}

// listed does what --list and --list-bids ask for.
func (c *buildCommand) listed(ctx context.Context) (bool, error) {
	if c.list == "" && !c.listBuilds {
		return false, nil
	}
	stages, _, err := localstore.Stages(ctx, c.App)
	if err != nil {
		return true, err
	}
	last := ""
	for _, s := range stages {
		switch {
		case c.list != "" && history.MatchBuild(c.list, s.BuildID):
			fmt.Fprintf(c.Stdout, "%s %s\n", s.Image.ID, s.Name())
			last = s.BuildID
		case c.list == "" && s.BuildID != last:
			fmt.Fprintln(c.Stdout, s.BuildID)
			last = s.BuildID
		}
	}
	if c.list != "" && last == "" {
		fmt.Fprintf(c.Stderr, "no build %s of %s is stored\n", c.list, c.Whose())
	}
	return true, nil
}

// enter applies --match-build-id, --upgrade and --entry to the declaration.
func (c *planner) enter(ctx context.Context, d *decl.Declaration, targets []string) (*decl.Declaration, []history.Started, error) {
	if c.entry.Match == "" && c.entry.Upgrade == "" {
		return d, nil, nil
	}
	stages, images, err := localstore.Stages(ctx, c.App)
	if err != nil {
		return nil, nil, err
	}
	if c.entry.Match != "" && !slices.ContainsFunc(stages, func(s history.StoredStage) bool { return history.MatchBuild(c.entry.Match, s.BuildID) }) {
		c.Warnf("no build %s of %s is stored: nothing is taken from one", c.entry.Match, c.Whose())
	}
	if found, err := localstore.Picker(ctx, c.App, stages, true).Pick(c.entry.Upgrade); c.entry.Upgrade != "" && err == nil {
		if found.Name() != c.entry.Upgrade && !userns.Inside(c.Getenv) {
			fmt.Fprintf(c.Stderr, "%s is %s\n", c.entry.Upgrade, found.Name())
		}
		c.entry.Upgrade = found.Name()
	}
	d, started, err := c.entry.Apply(d, targets, images, stages)
	if err != nil {
		return nil, nil, cli.Usage(err)
	}
	return d, started, c.useStarted(ctx, started, stages)
}

// useStarted notes the use of the builds that stages begin with.
func (c *planner) useStarted(ctx context.Context, started []history.Started, stages []history.StoredStage) error {
	p, err := localstore.Paths(ctx, c.App)
	if err != nil {
		return err
	}
	for _, s := range stages {
		of := func(x history.Started) bool { return x.Image == s.Image.ID }
		if (c.entry.Match == "" || history.MatchBuild(c.entry.Match, s.BuildID)) && slices.ContainsFunc(started, of) {
			if err := localstore.Builds(p).Use(s.BuildID, time.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// bases are the bootstraps that stages with stored images are based on.
func bases(started []history.Started) map[string]*decl.Stage {
	out := map[string]*decl.Stage{}
	for _, s := range started {
		if s.Base != nil {
			out[s.Stage] = s.Base
		}
	}
	return out
}

// successStage is the stage that --success-tag names: the only target, or the
// disk's root file system; "" when there are several.
func successStage(disks []diskcmd.DiskOutputs, targets []string) string {
	switch {
	case len(disks) > 0:
		stage := disks[0].Disk.Stage
		if slices.ContainsFunc(disks, func(p diskcmd.DiskOutputs) bool { return p.Disk.Stage != stage }) {
			return ""
		}
		return stage
	case len(targets) == 1:
		return targets[0]
	}
	return ""
}

// appendLocalConf adds the lines of --append-local-conf behind all fragments.
func (c *planOptions) appendLocalConf(d *decl.Declaration) {
	for _, line := range c.localConf {
		d.LocalConf = append(d.LocalConf, decl.LocalConf{Text: line, Span: finding.Span{File: "--append-local-conf", Line: 1, Col: 1, Len: 1}})
	}
}
