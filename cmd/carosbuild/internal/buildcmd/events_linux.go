// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// keptEvents is a display whose events are kept beside the logs as well, as
// --progress=json has them.
type keptEvents struct {
	view  render.Display
	log   *history.EventLog // nil where they cannot be kept
	file  render.Display
	began time.Time
	full  sync.Once
}

// teed is a display of which others see the events, too.
type teed struct {
	render.Display
	show func(progress.Event)
}

// Show implements render.Display.
func (t teed) Show(e progress.Event) { t.show(e) }

// keepEvents begins to keep what is shown in view.
func keepEvents(j *buildJob, view render.Display, began time.Time) *keptEvents {
	k := &keptEvents{view: view, began: began}
	log, err := history.CreateEvents(filepath.Join(j.dirs.Logs(), j.buildID))
	if err != nil { // the build is not less done
		k.note(err)
		return k
	}
	k.log, k.file = log, render.NewJSON(log)
	return k
}

func (k *keptEvents) note(err error) {
	k.view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: err.Error()})
}

// show shows an event and keeps it.
func (k *keptEvents) show(e progress.Event) {
	k.view.Show(e)
	switch {
	case k.log == nil:
	case e.Kind == progress.StepOutput && !k.log.Room():
		k.full.Do(func() {
			k.file.Show(progress.Event{Time: e.Time, Kind: progress.Note, Text: "there is too much output to keep it as events: what follows is in the logs of the stages only"})
		})
	default:
		k.file.Show(e)
	}
}

// summary keeps what the build came to.
func (k *keptEvents) summary(all []render.Event) {
	if k.log == nil {
		return
	}
	for _, e := range all {
		render.WriteEvent(k.log, e)
	}
}

// end keeps how the build has ended.
func (k *keptEvents) end(ctx context.Context, a *cli.App, j *buildJob, err error) {
	if k.log == nil {
		return
	}
	k.summary(a.LastEvents(ctx, localstore.Full(j.store, j.dirs, err), time.Since(k.began)))
	if err := k.log.Close(); err != nil {
		a.Say(err)
	}
}

// expectation expects when the build ends.
func (c *buildCommand) expectation(j *buildJob) *history.Estimator {
	return history.NewEstimator(j.plan, j.dirs.History().Times(c.historyName()), c.jobs, c.noCache, len(c.Out) > 0)
}

// keepReport keeps what the build did, and how long its steps took.
func (c *buildCommand) keepReport(r *history.Report, j *buildJob) {
	writeReport(c.App, r, j)
	if err := j.dirs.History().WriteTimes(c.historyName(), r); err != nil { // the next build expects less
		c.Say(err)
	}
}
