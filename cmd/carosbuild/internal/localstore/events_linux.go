// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"sync"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Events is a display whose events are kept beside the logs as well, as
// --progress=json has them.
type Events struct {
	view  render.Display
	log   *history.EventLog // nil where they cannot be kept
	file  render.Display
	began time.Time
	full  sync.Once
}

// KeepEvents begins to keep what is shown in view, in the directory of a build's logs.
func KeepEvents(dir string, view render.Display, began time.Time) *Events {
	k := &Events{view: view, began: began}
	log, err := history.CreateEvents(dir)
	if err != nil { // the build is not less done
		k.note(err)
		return k
	}
	k.log, k.file = log, render.NewJSON(log)
	return k
}

func (k *Events) note(err error) {
	k.view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: err.Error()})
}

// Show shows an event and keeps it.
func (k *Events) Show(e progress.Event) {
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

// Summary keeps what the build came to.
func (k *Events) Summary(all []render.Event) {
	if k.log == nil {
		return
	}
	for _, e := range all {
		render.WriteEvent(k.log, e)
	}
}

// End keeps how the build has ended.
func (k *Events) End(ctx context.Context, a *cli.App, store layer.Paths, d cli.Dirs, err error) {
	if k.log == nil {
		return
	}
	k.Summary(a.LastEvents(ctx, Full(store, d, err), time.Since(k.began)))
	if err := k.log.Close(); err != nil {
		a.Say(err)
	}
}
