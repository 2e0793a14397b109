// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"sync"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/progress"
)

// pullProgress adds up the progress of an image's layers.
type pullProgress struct {
	stage, ref string
	event      func(progress.Event)

	mu          sync.Mutex
	done, total map[string]int64
}

func (p *pullProgress) add(e oci.Event) {
	if e.Text != "" {
		p.event(progress.Event{Kind: progress.Note, Stage: p.stage, Text: e.Text})
	}
	if e.Total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done == nil {
		p.done, p.total = map[string]int64{}, map[string]int64{}
	}
	p.done[e.Digest], p.total[e.Digest] = e.Done, e.Total
	p.event(progress.Event{Kind: progress.Progress, Stage: p.stage, Text: "pull " + p.ref, Done: sum(p.done), Total: sum(p.total)})
}

func sum[K comparable](m map[K]int64) int64 {
	var n int64
	for _, v := range m {
		n += v
	}
	return n
}
