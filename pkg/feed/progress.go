// SPDX-License-Identifier: MPL-2.0

package feed

import "sync"

// progress counts bytes and sends events, not more than some hundred.
type progress struct {
	mu          sync.Mutex
	step        string
	done, total int64
	sent        int64
	events      func(Event)
}

func (o Options) progress(step string, total int64) *progress {
	return &progress{step: step, total: total, events: o.Events}
}

func (p *progress) add(n int64) {
	if p.events == nil || p.total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	if p.done == p.total || p.done-p.sent > p.total/200 {
		p.sent = p.done
		p.events(Event{Step: p.step, Done: p.done, Total: p.total})
	}
}
