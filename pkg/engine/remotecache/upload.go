// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
)

// Target is a place that results are written to.
type Target struct {
	Place   *stepcache.Place
	Stages  bool // only results of a stage's last step
	Options oci.PushOptions
}

// upload is a result to be written to a place.
type upload struct {
	to    Target
	meta  stepcache.Meta
	state engine.State
	maybe bool // it may be there already
}

// uploads are the uploads of a build.
type uploads struct {
	upMu     sync.Mutex
	change   *sync.Cond // of queue or ended; nil before Run
	queue    []upload
	ended    bool // no more uploads are added
	running  int
	offered  map[badAt]bool
	stopped  map[*stepcache.Place]bool // places that are not written any more
	written  int
	problems []error
	blobs    map[*stepcache.Place]map[oci.Digest]oci.Descriptor // by diffID
}

// atATime is how many results are written at once: each takes several connections, and
// compressing its layers takes all processors that the steps leave idle.
const atATime = 2

// Run calls f, writes results meanwhile, and then waits for the rest; if some are left,
// pending is told how many. The first of the errors is f's.
func (c *Cache) Run(ctx context.Context, pending func(n int), f func(context.Context) error) error {
	c.upMu.Lock()
	c.change, c.ended, c.offered = sync.NewCond(&c.upMu), false, map[badAt]bool{}
	c.stopped, c.blobs = map[*stepcache.Place]bool{}, map[*stepcache.Place]map[oci.Digest]oci.Descriptor{}
	c.upMu.Unlock()
	var workers sync.WaitGroup
	for range atATime {
		workers.Go(func() { c.work(ctx) })
	}
	err := f(ctx)
	c.upMu.Lock()
	c.ended = true
	n := len(c.queue) + c.running
	c.upMu.Unlock()
	c.change.Broadcast()
	if n > 0 && ctx.Err() == nil {
		pending(n)
	}
	workers.Wait()
	return errors.Join(append([]error{err}, c.problems...)...)
}

// work writes results until there are no more.
func (c *Cache) work(ctx context.Context) {
	c.upMu.Lock()
	defer c.upMu.Unlock()
	for {
		for len(c.queue) == 0 && !c.ended {
			c.change.Wait()
		}
		if len(c.queue) == 0 {
			return
		}
		u := c.queue[0]
		c.queue = c.queue[1:]
		if c.stopped[u.to.Place] || ctx.Err() != nil {
			continue
		}
		c.running++
		c.upMu.Unlock()
		did, err := c.upload(ctx, u)
		c.upMu.Lock()
		c.running--
		if did && err == nil {
			c.written++
		}
		if err != nil && ctx.Err() == nil && !c.stopped[u.to.Place] {
			c.stopped[u.to.Place] = true
			err = fmt.Errorf("cache %s: the result of %s: %w", c.without(u.to.Place, "written"), c.called(u.meta.Key), err)
			if err := c.complain(err); err != nil {
				c.problems = append(c.problems, err)
			}
		}
	}
}

// Written is how many results were written.
func (c *Cache) Written() int {
	c.upMu.Lock()
	defer c.upMu.Unlock()
	return c.written
}

// offer queues a result for the places that want it. Maybe says that it may be there
// already.
func (c *Cache) offer(key string, s engine.State, maybe bool) {
	if _, err := s.Here(); err != nil || s.Layer != "" && len(s.Layers) == 0 { // elsewhere, or without digests
		return
	}
	c.upMu.Lock()
	defer c.upMu.Unlock()
	if c.change == nil || c.ended { // outside of Run
		return
	}
	m := c.Steps[key]
	m.Key, m.Written = key, c.Now()
	for _, t := range c.To {
		at := badAt{t.Place, key}
		if t.Stages && m.Step != m.Steps || maybe && c.offered[at] {
			continue
		}
		c.offered[at] = true
		c.queue = append(c.queue, upload{t, m, s, maybe})
	}
	c.change.Broadcast()
}

// upload writes a result, unless the place has it already.
func (c *Cache) upload(ctx context.Context, u upload) (did bool, err error) {
	if u.maybe {
		if _, err := u.to.Place.Lookup(ctx, u.meta.Key, u.meta.Parent); err == nil {
			return false, nil
		}
	}
	if err := c.write(ctx, u.to, u.meta, u.state); err != nil {
		return true, err
	}
	if c.Past == nil || u.meta.Step != u.meta.Steps {
		return true, nil
	}
	name, data, err := c.Past(u.meta.Stage)
	if err == nil {
		err = u.to.Place.PutPast(ctx, name, data, c.Now(), c.Transfer, u.to.Options)
	}
	return true, err
}

// PastElsewhere returns what a stage was made of when its result was written to a place.
// It serves explanations only, no decision.
func (c *Cache) PastElsewhere(ctx context.Context) func(name string) ([]byte, bool) {
	return func(name string) ([]byte, bool) {
		for _, p := range c.From {
			if c.isBad(p, "") {
				continue
			}
			if data, err := p.Past(ctx, name); err == nil {
				return data, true
			}
		}
		return nil, false
	}
}

// write writes a result, without compressing the layers that are known to be there.
func (c *Cache) write(ctx context.Context, t Target, m stepcache.Meta, s engine.State) error {
	var layers []oci.StoredLayer
	var err error
	if s.Layer != "" {
		if layers, err = c.Stored(s.Layer); err != nil {
			return err
		}
	}
	o := t.Options
	o.Known = func(diffID oci.Digest) (oci.Descriptor, bool) { return c.blob(t.Place, diffID) }
	r := stepcache.Result{Layers: s.Layers, Config: s.Config}
	err = t.Place.Put(ctx, m, r, layers, c.Transfer, o)
	if err != nil && ctx.Err() == nil && stepcache.Unusable(err) {
		o.Known = nil // compression here may give a different blob
		err = t.Place.Put(ctx, m, r, layers, c.Transfer, o)
	}
	return err
}

// blob returns the blob of a layer in a place, if it was found there.
func (c *Cache) blob(p *stepcache.Place, diffID oci.Digest) (oci.Descriptor, bool) {
	c.mu.Lock()
	var all []*answer
	for _, a := range c.asked {
		all = append(all, a)
	}
	c.mu.Unlock()
	c.upMu.Lock()
	defer c.upMu.Unlock()
	if d, ok := c.blobs[p][diffID]; ok {
		return d, true
	}
	for _, a := range all {
		f := a.found.Load()
		if f == nil || f.Place != p {
			continue
		}
		if c.blobs[p] == nil {
			c.blobs[p] = map[oci.Digest]oci.Descriptor{}
		}
		for i, id := range f.Layers {
			c.blobs[p][id] = f.Blobs[i]
		}
	}
	d, ok := c.blobs[p][diffID]
	return d, ok
}
