// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
	"github.com/carosio/carosbuild/pkg/plan"
)

// Cache is an engine.Cache. The layers of a result that Lookup finds in a place are
// elsewhere, as engine.State says: callers that need layers use Here, Chains and Images.
// Its fields are set before it is used and not changed afterwards.
type Cache struct {
	Local    engine.Cache              // of this machine
	From     []*stepcache.Place        // where results are looked up, in this order
	To       []Target                  // where results are written
	Steps    map[string]stepcache.Meta // what is known of the steps of a plan, by key, see Metas
	Policy   Policy                    // decides which results may be used; nil allows all
	Required bool                      // makes errors of what would be warnings
	Warn     func(text string)         // called concurrently
	Now      func() time.Time
	Transfer oci.Transfer                                           // for writing results
	Pull     func(context.Context, Found) (layer string, err error) // brings the layers of a result into the store
	Stored   func(layer string) ([]oci.StoredLayer, error)          // a layer of the store and those below it, the lowest first

	// Past returns what a stage is made of, and the name under which a place stores that;
	// nil: it is not stored.
	Past func(stage string) (name string, data []byte, err error)

	mu      sync.Mutex
	asked   map[string]*answer   // by key
	chains  map[string][]*answer // by chain
	bad     map[badAt]bool
	broken  map[*stepcache.Place]bool // places that are not read any more
	used    map[string]bool           // keys that were found
	pulling sync.Mutex                // one pull at a time: each fetches several layers at once

	uploads
}

// Policy says which results may be used.
type Policy interface {
	// Check refuses a result with an error. A signature would sign the image's manifest,
	// whose digest is in e.Source.Ref.
	Check(ctx context.Context, e stepcache.Entry) error
}

// Found is a result in a place.
type Found struct {
	stepcache.Entry
	Place *stepcache.Place
}

// answer is what the places have answered about a key.
type answer struct {
	mu    sync.Mutex // held while asking
	found atomic.Pointer[Found]
	at    time.Time // when no place had a result
}

type badAt struct {
	place *stepcache.Place
	key   string
}

// again is how long a cache miss is remembered.
const again = 5 * time.Second

// LostError says that a result that was found could not be fetched. The caller should
// look it up again, and will not find it then.
type LostError struct {
	Place string
	Err   error
}

func (e *LostError) Error() string {
	return strings.TrimSuffix("cache "+e.Place, " ") + ": " + e.Err.Error()
}

func (e *LostError) Unwrap() error { return e.Err }

// Ask looks up the stages of a plan concurrently: in each, from the last step backwards
// until one is found.
func (c *Cache) Ask(ctx context.Context, p *plan.Plan) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range p.Stages {
		steps := p.Stages[i].Steps
		g.Go(func() error {
			for k := len(steps) - 1; k >= 0; k-- {
				if steps[k].Key == "" {
					continue
				}
				if ok, err := c.Has(ctx, steps[k].Key); ok || err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// Has implements engine.Cache.
func (c *Cache) Has(ctx context.Context, key string) (bool, error) {
	if ok, err := c.Local.Has(ctx, key); ok || err != nil {
		return ok, err
	}
	f, err := c.find(ctx, key)
	return f != nil, err
}

// Lookup implements engine.Cache.
func (c *Cache) Lookup(ctx context.Context, key string) (engine.State, bool, error) {
	if s, ok, err := c.Local.Lookup(ctx, key); ok || err != nil {
		return s, ok, err
	}
	f, err := c.find(ctx, key)
	if f == nil {
		return engine.State{}, false, err
	}
	c.mu.Lock()
	if c.used == nil {
		c.used = map[string]bool{}
	}
	c.used[key] = true
	c.mu.Unlock()
	s, err := f.state()
	return s, err == nil, err
}

// state returns a copy of a result.
func (f *Found) state() (s engine.State, err error) {
	data, err := json.Marshal(engine.State{Layers: f.Layers, Config: f.Config})
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	return s, err
}

// Put implements engine.Cache. The result is written to the places later.
func (c *Cache) Put(ctx context.Context, key string, s engine.State) error {
	if err := c.Local.Put(ctx, key, s); err != nil {
		return err
	}
	c.offer(key, s, false)
	return nil
}

// Used is how many results of places were used.
func (c *Cache) Used() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.used)
}

// find asks the places, unless they have answered already.
func (c *Cache) find(ctx context.Context, key string) (*Found, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := c.answer(key)
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.found.Load(); f != nil && !c.isBad(f.Place, key) {
		return f, nil
	}
	a.found.Store(nil)
	if !a.at.IsZero() && c.Now().Sub(a.at) < again {
		return nil, nil
	}
	for _, p := range c.From {
		if c.isBad(p, key) {
			continue
		}
		f, err := c.askPlace(ctx, p, key)
		if err != nil {
			return nil, err
		}
		if f != nil {
			a.found.Store(f)
			c.mu.Lock()
			defer c.mu.Unlock()
			chain := chainOf(f.Layers)
			c.chains[chain] = append(c.chains[chain], a)
			return f, nil
		}
	}
	a.at = c.Now()
	return nil, nil
}

// askPlace returns the result that a place has, or nil if none can be used.
func (c *Cache) askPlace(ctx context.Context, p *stepcache.Place, key string) (*Found, error) {
	e, err := p.Lookup(ctx, key, c.Steps[key].Parent)
	switch {
	case errors.Is(err, stepcache.ErrNone):
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil && c.Policy != nil:
		err = c.Policy.Check(ctx, e)
	case err != nil && !stepcache.Unusable(err):
		return nil, c.giveUp(p, err)
	}
	if err != nil {
		return nil, c.spurn(p, key, err)
	}
	return &Found{e, p}, nil
}

// giveUp stops asking a place.
func (c *Cache) giveUp(p *stepcache.Place, err error) error {
	c.mu.Lock()
	before := c.broken[p]
	if c.broken == nil {
		c.broken = map[*stepcache.Place]bool{}
	}
	c.broken[p] = true
	c.mu.Unlock()
	if before {
		return nil
	}
	return c.complain(fmt.Errorf("cache %s: %w", c.without(p, "read"), err))
}

// without is the message that a place is not read or not written.
func (c *Cache) without(p *stepcache.Place, done string) string {
	if c.Required { // the build ends
		return p.Name + " cannot be " + done
	}
	return p.Name + " is not " + done + " any more in this build"
}

// spurn excludes a result from use.
func (c *Cache) spurn(p *stepcache.Place, key string, err error) error {
	c.mu.Lock()
	at := badAt{p, key}
	before := c.bad[at]
	if c.bad == nil {
		c.bad = map[badAt]bool{}
	}
	c.bad[at] = true
	c.mu.Unlock()
	if before {
		return nil
	}
	return c.complain(fmt.Errorf("cache %s: the result of %s is not used: %w", p.Name, c.called(key), err))
}

// called describes a step for a message.
func (c *Cache) called(key string) string {
	if m := c.Steps[key]; m.Stage != "" {
		return fmt.Sprintf("stage %s, step %d/%d", m.Stage, m.Step, m.Steps)
	}
	return fmt.Sprintf("step %.12s", key)
}

// complain warns about err, or returns it if the cache is required.
func (c *Cache) complain(err error) error {
	if c.Required {
		return err
	}
	c.Warn(err.Error())
	return nil
}

func (c *Cache) isBad(p *stepcache.Place, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken[p] || c.bad[badAt{p, key}]
}

func (c *Cache) answer(key string) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked, c.chains = map[string]*answer{}, map[string][]*answer{}
	}
	if c.asked[key] == nil {
		c.asked[key] = &answer{}
	}
	return c.asked[key]
}

func chainOf(layers []oci.Digest) string {
	var b strings.Builder
	for _, l := range layers {
		b.WriteString(l.String() + "\n")
	}
	return b.String()
}
