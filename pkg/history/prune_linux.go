// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Leftovers are all that builds have left on a machine.
type Leftovers struct {
	Store   *layer.Store
	Records *layer.Records
	Builds  Builds
	Notes   []string      // ids of builds whose notes may go, with or without images
	Stages  []StoredStage // whose images may go, the newest build first
	Names   []PulledName  // under which images were pulled, which may go
	Pulled  Pulled        // notes of them
	Logs    []evict.Unit  // of builds, each a directory with the build's id as its name
	Caches  []evict.Unit  // nothing of which is lost that cannot be had again
}

// PruneRule says what goes: everything, a build that one of the patterns covers,
// else what was not used since a time.
type PruneRule struct {
	All    bool
	Builds []string  // patterns, see MatchBuild
	Before time.Time // with the zero time, none is too old
	Only   []string  // kinds of units, or KindBuilds; nil: of all kinds
}

// KindBuilds stands for builds with their images, layers and records, and for their notes.
const KindBuilds = "builds"

// takes reports whether the rule is about a kind.
func (r PruneRule) takes(kind string) bool { return r.Only == nil || slices.Contains(r.Only, kind) }

// at is the rule with another time.
func (r PruneRule) at(t time.Time) PruneRule {
	return PruneRule{Before: t, Builds: r.Builds, Only: r.Only}
}

func (r PruneRule) old(used time.Time) bool { return r.All || used.Before(r.Before) }

// Pruning is what goes, all that only it needs among it.
type Pruning struct {
	Builds []string // ids, the newest first; those of which there are but logs are not named
	Pulled []PulledName
	Store  *layer.Pruning
	Units  []evict.Unit // of logs and caches
	Left   int64        // bytes of layers, logs and caches that stay
	InUse  []string     // ids of builds that stay since podman has containers of them

	notes   []string // ids
	records *layer.Records
	keep    map[string]bool // keys of the records that stay
	builds  Builds
	pulled  Pulled
	stays   bool // all of the store: the rule is about other kinds
}

// Prune works out what goes by a rule. A step's record goes when its layer does,
// and a layer stays as long as an image needs it that stays, or, unless it is below
// one that goes, a record that is younger than the rule says.
func (l *Leftovers) Prune(rule PruneRule) (*Pruning, error) {
	goes := func(id string, used time.Time) bool {
		return rule.takes(KindBuilds) && rule.old(used) || slices.ContainsFunc(rule.Builds, func(pattern string) bool { return MatchBuild(pattern, id) })
	}
	p := &Pruning{keep: map[string]bool{}, records: l.Records, builds: l.Builds, pulled: l.Pulled, stays: !rule.takes(KindBuilds)}
	names := map[string]bool{}
	for _, s := range l.Stages {
		names[ImageName(s.BuildID, s.Stage)] = goes(s.BuildID, s.Used)
	}
	for _, n := range l.Names {
		names[n.Name] = goes(strings.ToLower(n.Name), n.Used) || n.Build != "" && goes(n.Build, n.Used)
	}
	var err error
	if p.Store, err = l.Store.Pruning(func(name string) bool { return names[name] }); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	for _, n := range l.Names {
		if names[n.Name] && !slices.Contains(p.Store.Used, n.Name) {
			p.Pulled = append(p.Pulled, n)
		}
	}
	stays := map[string]bool{} // builds, or some of their stages
	for _, s := range l.Stages {
		used := slices.Contains(p.Store.Used, ImageName(s.BuildID, s.Stage))
		stays[s.BuildID] = stays[s.BuildID] || used || !goes(s.BuildID, s.Used)
		if used && !slices.Contains(p.InUse, s.BuildID) {
			p.InUse = append(p.InUse, s.BuildID)
		}
	}
	for _, s := range l.Stages {
		if !stays[s.BuildID] && !slices.Contains(p.Builds, s.BuildID) {
			p.Builds = append(p.Builds, s.BuildID)
		}
	}
	for _, id := range l.Notes {
		if !stays[id] && (slices.Contains(p.Builds, id) || goes(id, l.Builds.used(id))) {
			p.notes = append(p.notes, id)
		}
	}
	if err := p.pickRecords(rule); err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	for _, u := range l.Logs {
		id := filepath.Base(u.Path)
		p.pick(u, rule.takes(u.Kind) && (slices.Contains(p.Builds, id) || !stays[id] && goes(id, u.Used) || p.stays && rule.old(u.Used)))
	}
	for _, u := range l.Caches {
		p.pick(u, rule.takes(u.Kind) && rule.old(u.Used))
	}
	for _, k := range p.Store.Kept() {
		p.Left += max(k.Size, 0)
	}
	if p.stays {
		for _, k := range p.Store.Layers() {
			p.Left += max(k.Size, 0)
		}
	}
	return p, nil
}

func (p *Pruning) pick(u evict.Unit, goes bool) {
	if goes {
		p.Units = append(p.Units, u)
	} else {
		p.Left += u.Size
	}
}

// pickRecords keeps the layers of records that may stay, and the records of layers
// that stay.
func (p *Pruning) pickRecords(rule PruneRule) error {
	all, err := p.records.All()
	if err != nil {
		return err
	}
	for _, r := range all {
		if !rule.old(r.Created) && !p.Store.Goes(r.Layer) {
			p.Store.Keep(r.Layer)
		}
	}
	for _, r := range all {
		p.keep[r.Key] = p.Store.Keeps(r.Layer) || r.Layer == "" && !rule.All // which costs nothing
	}
	return nil
}

// Layers are those that go.
func (p *Pruning) Layers() []layer.Layer {
	if p.stays {
		return nil
	}
	return p.Store.Layers()
}

// Size is how many bytes go: of layers, uncompressed, and of logs and caches.
func (p *Pruning) Size() (layers, units int64) {
	for _, l := range p.Layers() {
		layers += max(l.Size, 0)
	}
	for _, u := range p.Units {
		units += u.Size
	}
	return layers, units
}

// Remove removes what goes. Nobody else may have the store open.
func (p *Pruning) Remove(ctx context.Context) error {
	if err := p.removeStored(ctx); err != nil {
		return err
	}
	for _, id := range p.notes {
		if err := p.builds.Delete(id); err != nil {
			return err
		}
	}
	for _, n := range p.Pulled {
		if err := p.pulled.Forget(n.Name); err != nil {
			return err
		}
	}
	for _, u := range p.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := u.Remove(); err != nil {
			return fmt.Errorf("prune: %w", err)
		}
	}
	return nil
}

func (p *Pruning) removeStored(ctx context.Context) error {
	if p.stays {
		return nil
	}
	if err := p.records.Prune(p.keep); err != nil {
		return err
	}
	if err := p.Store.Remove(ctx); err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	return nil
}

// PruneTo moves a rule's time on until at most so many bytes stay, what was not
// used for longest going first. The newest build stays, and what was used since.
func (l *Leftovers) PruneTo(rule PruneRule, most int64) (*Pruning, error) {
	p, err := l.Prune(rule)
	if err != nil || p.Left <= most {
		return p, err
	}
	times, err := l.times(rule.Before)
	if err != nil {
		return nil, err
	}
	best := p
	_, _ = slices.BinarySearchFunc(times, most, func(t time.Time, _ int64) int {
		if err != nil {
			return 0
		}
		var q *Pruning
		if q, err = l.Prune(rule.at(t)); err != nil {
			return 0
		}
		if q.Left > most {
			return -1
		}
		best = q
		return 1
	})
	if err == nil && best.Left > most && len(times) > 0 {
		best, err = l.Prune(rule.at(times[len(times)-1]))
	}
	return best, err
}

// times are those at which something more goes, after a time and up to when the
// newest build was used.
func (l *Leftovers) times(after time.Time) ([]time.Time, error) {
	records, err := l.Records.All()
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	var all []time.Time
	var last time.Time // use of the newest build
	for _, s := range l.Stages {
		all = append(all, s.Used)
		if s.Used.After(last) {
			last = s.Used
		}
	}
	for _, r := range records {
		all = append(all, r.Created)
	}
	for _, n := range l.Names {
		all = append(all, n.Used)
	}
	for _, u := range slices.Concat(l.Logs, l.Caches) {
		all = append(all, u.Used)
	}
	if last.IsZero() && len(all) > 0 {
		last = slices.MaxFunc(all, time.Time.Compare).Add(1)
	}
	var out []time.Time
	for _, t := range all {
		// What was used at t goes when the rule says the instant after.
		if t = t.Add(1); t.After(after) && !t.After(last) {
			out = append(out, t)
		}
	}
	out = append(out, last)
	slices.SortFunc(out, time.Time.Compare)
	return slices.Compact(out), nil
}
