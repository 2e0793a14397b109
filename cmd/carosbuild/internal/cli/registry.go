// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"sync"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Registry is the client for registries, with a store.
func (a *App) Registry(store layer.Paths) registry.Client {
	r := registry.Client{Env: a.Getenv, UID: a.Account().UID, Store: store, UserAgent: "carosbuild/" + a.Version, Around: a.around}
	if a.vendored != nil {
		r.Layout = a.vendored.Images()
	}
	if d, err := a.DirsOrScratch(); err == nil { // else the system's directory for temporary files
		r.Scratch = d.Layers().Dir
	}
	return r
}

// Transfers shows the progress of transfers, and what they wait for.
func (a *App) Transfers(view render.Display) func(oci.Event) {
	var mu sync.Mutex
	type sum struct{ done, total int64 }
	seen := map[string]map[string]sum{}
	return func(e oci.Event) {
		if e.Text != "" {
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: e.Text})
		}
		if e.Done < 0 || e.Total <= 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[e.Kind] == nil {
			seen[e.Kind] = map[string]sum{}
		}
		seen[e.Kind][e.Digest] = sum{e.Done, e.Total}
		var all sum
		for _, x := range seen[e.Kind] {
			all.done += x.done
			all.total += x.total
		}
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: e.Kind + " layers", Done: all.done, Total: all.total})
	}
}
