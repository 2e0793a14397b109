// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine/remotecache"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
	"github.com/carosio/carosbuild/pkg/progress"
)

// cacheOptions say which places other machines share with this one.
type cacheOptions struct {
	cache    string
	from     []string
	to       []string
	required bool // that they work
	only     bool // no step may run
	readOnly bool // nothing is written, whatever the flags say
}

// add defines the flags that a plan has, too.
func (o *cacheOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.cache, "cache", "", "take results of steps from this repository of a registry, or oci:DIR, and put them there (see docs/cache.md)")
	f.StringArrayVar(&o.from, "cache-from", nil, "take results of steps from this repository or oci:DIR; may be repeated")
}

// readsCaches describes the flags of commands that only read.
func readsCaches(f *pflag.FlagSet) {
	f.Lookup("cache").Usage = "count results of steps in this repository of a registry, or oci:DIR, as cached (see docs/cache.md)"
	f.Lookup("cache-from").Usage = "the same as --cache; may be repeated"
}

// addWrite defines the flags of a build.
func (o *cacheOptions) addWrite(f *pflag.FlagSet) {
	f.StringArrayVar(&o.to, "cache-to", nil, "put results there: REF, and after commas mode=stage, compression=zstd, level=N; may be repeated")
	f.BoolVar(&o.required, "cache-required", false, "fail where such a cache cannot be used, instead of warning")
	f.BoolVar(&o.only, "require-cached", false, "fail where a step would run, and say why")
}

// cachePlaces are what cacheOptions mean.
type cachePlaces struct {
	from []string
	to   []cacheTarget
}

type cacheTarget struct {
	ref     string
	stages  bool // only what stages leave
	options oci.PushOptions
}

// read is what the options say. The variable counts where there is none of the flags:
// who says where results come from need not write there.
func (o *cacheOptions) read(variable string) (p cachePlaces, err error) {
	both := o.cache
	if both == "" && len(o.from) == 0 && len(o.to) == 0 {
		both = variable
	}
	if both != "" {
		p.from, p.to = append(p.from, both), append(p.to, cacheTarget{ref: both})
	}
	p.from = append(p.from, o.from...)
	for _, text := range o.to {
		t, err := readTarget(text)
		if err != nil {
			return p, cli.Usagef("--cache-to %q: %v", text, err)
		}
		p.to = append(p.to, t)
	}
	if o.readOnly {
		p.to = nil
	}
	for _, ref := range p.from {
		if err := stepcache.Check(ref); err != nil {
			return p, cli.Usagef("cache %v", err)
		}
	}
	return p, nil
}

// readTarget reads REF[,mode=...][,compression=...][,level=...].
func readTarget(text string) (t cacheTarget, err error) {
	parts := strings.Split(text, ",")
	t.ref = parts[0]
	if err := stepcache.Check(t.ref); err != nil {
		return t, err
	}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name == "mode" && (value == "step" || value == "stage"):
			t.stages = value == "stage"
		case name == "compression":
			t.options.Compression = oci.Compression(value)
		case name == "level":
			if t.options.Level, err = strconv.Atoi(value); err != nil || t.options.Level < 1 {
				return t, fmt.Errorf("level %q is not a positive number", value)
			}
		default:
			return t, fmt.Errorf("%q: want mode=step, mode=stage, compression=gzip, compression=zstd or level=N", part)
		}
	}
	return t, t.options.Check()
}

// checkCaches finds mistakes in the flags.
func (c *buildCommand) checkCaches() error {
	if c.only && c.noCache {
		return cli.Usagef("--require-cached and --no-cache exclude each other")
	}
	p, err := c.cacheOptions.read(c.Getenv("CAROSBUILD_CACHE"))
	if err == nil && c.required && len(p.from)+len(p.to) == 0 {
		return cli.Usagef("--cache-required without a cache: want --cache, --cache-from or --cache-to")
	}
	return err
}

// writesCache reports whether results are to be put somewhere.
func (c *buildCommand) writesCache() bool {
	p, err := c.cacheOptions.read(c.Getenv("CAROSBUILD_CACHE"))
	return err == nil && len(p.to) > 0
}

// shareCache is the cache of steps with the places of the flags, nil without any. It is
// used as long as ctx.
func (c *buildCommand) shareCache(ctx context.Context, j *buildJob, note func(string)) (*remotecache.Cache, error) {
	p, err := c.cacheOptions.read(c.Getenv("CAROSBUILD_CACHE"))
	if err != nil || len(p.from)+len(p.to) == 0 {
		return nil, err
	}
	if p, err = c.placesHere(p, note); err != nil || len(p.from)+len(p.to) == 0 {
		return nil, err
	}
	client := c.Registry(j.store)
	client.Events = func(e oci.Event) {
		if e.Text != "" {
			note(e.Text)
		}
	}
	// What a cache does not give at once, the step does.
	client.Backoff.Duration, client.Backoff.Factor, client.Backoff.Jitter, client.Backoff.Steps = 500*time.Millisecond, 3, 0.2, 3
	client.Deadlines.Headers, client.Deadlines.Small = 20*time.Second, 20*time.Second
	all := map[string]*stepcache.Place{}
	place := func(ref string) (*stepcache.Place, error) {
		if all[ref] == nil {
			var err error
			if all[ref], err = stepcache.Open(ctx, client, ref); err != nil {
				return nil, fmt.Errorf("cache %s: %w", ref, err)
			}
		}
		return all[ref], nil
	}
	s := &remotecache.Cache{
		Local: j.cache, Required: c.required, Now: time.Now, Warn: func(text string) { note("warning: " + text) },
		Transfer: oci.Transfer{Jobs: c.jobs},
		Steps:    remotecache.Metas(j.plan, stepcache.Meta{Build: j.buildID, Program: c.Version, Declaration: j.declarationDigest()}),
	}
	for _, ref := range p.from {
		at, err := place(ref)
		if err != nil {
			return nil, err
		}
		s.From = append(s.From, at)
	}
	for _, t := range p.to {
		at, err := place(t.ref)
		if err != nil {
			return nil, err
		}
		t.options.Cache = j.dirs.Blobs()
		s.To = append(s.To, remotecache.Target{Place: at, Stages: t.stages, Options: t.options})
	}
	return s, nil
}

// declarationDigest is that of the names and digests of the declaration's files.
func (j *buildJob) declarationDigest() string {
	data, err := json.Marshal(j.report.Declarations)
	if err != nil || len(j.report.Declarations) == 0 {
		return ""
	}
	return oci.DigestOf(data).String()
}

// askCaches has what the places of the flags have counted as cached.
func (c *buildCommand) askCaches(ctx context.Context, j *buildJob, view render.Display) error {
	note := func(text string) {
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text})
	}
	s, err := c.shareCache(ctx, j, note)
	if s == nil || err != nil {
		return err
	}
	if err := s.Ask(ctx, j.plan); err != nil {
		return err
	}
	h := j.dirs.History()
	h.Elsewhere = s.PastElsewhere(ctx)
	j.past = h
	return j.plan.MarkCached(func(key string) (bool, error) { return s.Has(ctx, key) })
}

// refuseSteps refuses a plan of which a step would run, if that is asked for.
func (c *buildCommand) refuseSteps(j *buildJob, view render.Display) error {
	if !c.only || j.plan.Complete() {
		return nil
	}
	view.Close()
	j.past.Explain(c.historyName(), j.plan)
	if err := c.writeWhy(c.Stderr, j); err != nil {
		return err
	}
	return errors.New("--require-cached: these steps would run")
}
