// SPDX-License-Identifier: MPL-2.0

package history

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/words"
)

// Logs are the directories of builds' logs.
type Logs struct {
	Dir    string
	Hidden func(build string) bool // of which nothing is told; nil: of none
}

// LoggedBuild is a build that has left logs, and may still run.
type LoggedBuild struct {
	ID    string
	Dir   string
	Begun time.Time
}

// Builds are those with logs, the newest first.
func (l Logs) Builds() ([]LoggedBuild, error) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	var out []LoggedBuild
	for _, e := range entries {
		b := LoggedBuild{ID: e.Name(), Dir: filepath.Join(l.Dir, e.Name())}
		if !e.IsDir() || !isBuildID(b.ID) || l.Hidden != nil && l.Hidden(b.ID) {
			continue
		}
		if b.Begun = begun(b.Dir); !b.Begun.IsZero() {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(x, y LoggedBuild) int {
		return cmp.Or(y.Begun.Compare(x.Begun), cmp.Compare(y.ID, x.ID))
	})
	return out, nil
}

// Stages are those that a build has logs of, by name.
func (b LoggedBuild) Stages() []string {
	entries, err := os.ReadDir(b.Dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if stage, ok := strings.CutSuffix(e.Name(), ".log"); ok && e.Type().IsRegular() {
			out = append(out, stage)
		}
	}
	return out
}

// has reports whether a build has something of a stage.
func (b LoggedBuild) has(stage string) bool {
	if slices.Contains(b.Stages(), stage) {
		return true
	}
	// Of a stage that is cached, there is no log.
	if r, err := ReadReport(b.Dir); err == nil {
		return slices.ContainsFunc(r.Stages, func(s StageReport) bool { return s.ID == stage })
	}
	p, err := ReadPlan(b.Dir) // of a build that runs
	return err == nil && p.Job(stage) != nil
}

// NoLogError says that no build with logs has the name.
type NoLogError struct {
	Name string
	Hint string // "" or what there is instead, with the blank before it
}

func (e *NoLogError) Error() string {
	if e.Name == "" {
		return "no build has left logs"
	}
	return "no build has left logs as " + e.Name + e.Hint
}

// Find finds what a name means, as Picker does for what is stored: BUILDID, BUILDID:STAGE,
// latest, latest:STAGE, or STAGE of the newest build that has it. The name "" is the newest
// build's. Stage is "" for a whole build. The error is a NoLogError where nothing has the
// name.
func (l Logs) Find(name string) (b LoggedBuild, stage string, err error) {
	all, err := l.Builds()
	if err != nil {
		return b, "", err
	}
	id, stage, tagged := strings.Cut(name, ":")
	i := slices.IndexFunc(all, func(b LoggedBuild) bool { return b.ID == id })
	switch {
	case (name == "" || name == Latest) && len(all) > 0:
		return all[0], "", nil
	case i >= 0 && (!tagged || stage != "" && all[i].has(stage)):
		return all[i], stage, nil
	case i >= 0:
		return b, "", &NoLogError{name, hintOf(stage, all[i].Stages())}
	case tagged && id != Latest:
		return b, "", &NoLogError{name, hintOf(id, idsOf(all))}
	case !tagged:
		stage = id
	}
	for _, b := range all {
		if stage != "" && b.has(stage) {
			return b, stage, nil
		}
	}
	return b, "", &NoLogError{name, hintOf(id, idsOf(all))}
}

// Failed is the newest build with a failed step, and the stage of that.
func (l Logs) Failed() (b LoggedBuild, stage string, err error) {
	all, err := l.Builds()
	if err != nil {
		return b, "", err
	}
	for _, b := range all {
		if r, err := ReadReport(b.Dir); err == nil && r.Failed != nil {
			return b, r.Failed.Stage, nil
		}
	}
	return b, "", &NoLogError{"a failed build", ""}
}

func idsOf(all []LoggedBuild) []string {
	var out []string
	for _, b := range all {
		out = append(out, b.ID)
	}
	return out
}

func hintOf(word string, known []string) string {
	if hint := words.DidYouMean(word, known); hint != "" {
		return " (" + hint + ")"
	}
	if len(known) > 0 {
		return " (there are: " + words.Few(known) + ")"
	}
	return ""
}

// sinceLayouts are how a time may be written, in the zone of this machine.
var sinceLayouts = []string{time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly}

// ParseSince reads a time, of today too, or how long ago it was, such as 10m, 2h30m or 3d.
func ParseSince(s string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	for _, layout := range sinceLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if d, err := time.ParseDuration(days + "h"); err == nil && d >= 0 && d < 1e6*time.Hour {
			return now.Add(-24 * d), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time, such as 14:30, 2026-11-30 14:30 or 2026-11-30T14:30:00Z, nor a duration, such as 90s, 10m or 2d", s)
}
