// SPDX-License-Identifier: MPL-2.0

package main

import (
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/progress"
)

func (a *app) registry(store layer.Paths) registry.Client {
	r := registry.Client{Env: a.getenv, UID: a.account().UID, Store: store, UserAgent: "carosbuild/" + a.version}
	if d, err := a.dirs(); err == nil { // else the system's directory for temporary files
		r.Scratch = d.layers().Dir
	}
	return r
}

// transfers shows the progress of transfers, and what they wait for.
func (a *app) transfers(view display) func(oci.Event) {
	var mu sync.Mutex
	type sum struct{ done, total int64 }
	seen := map[string]map[string]sum{}
	return func(e oci.Event) {
		if e.Text != "" {
			view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: e.Text})
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
		view.show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: e.Kind + " layers", Done: all.done, Total: all.total})
	}
}
