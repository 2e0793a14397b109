// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Fetcher reads from mirrors into a cache, and from the cache into directories.
// It may be used by several goroutines, and the cache by several processes.
type Fetcher struct {
	Cache  string       // directory; made if absent
	HTTP   *http.Client // nil is a direct one; see Host.HTTPClient
	Jobs   int          // downloads at a time; 0 is 8
	Events func(Event)  // may be nil; called by one goroutine at a time

	// SkipOwners leaves every file to the caller's own ids, for callers who
	// are not root in their own user namespace.
	SkipOwners bool
	// Owners gives files their owners; nil asks the kernel.
	Owners Owners

	Backoff time.Duration // pause before the second attempt; 0 is 300 ms

	once   sync.Once
	direct *http.Client
	mu     sync.Mutex // serialises Events
}

// Reporting is f with other events.
func (f *Fetcher) Reporting(events func(Event)) *Fetcher {
	return &Fetcher{Cache: f.Cache, HTTP: f.HTTP, Jobs: f.Jobs, Events: events, SkipOwners: f.SkipOwners, Owners: f.Owners, Backoff: f.Backoff}
}

// Owners gives a file an owner, relative to an open directory and without following a
// link; the name "" is what is open itself.
type Owners interface {
	Chown(dir int, name string, uid, gid int) error
}

func (f *Fetcher) client() *http.Client {
	if f.HTTP != nil {
		return f.HTTP
	}
	f.once.Do(func() { f.direct = Host{}.HTTPClient() })
	return f.direct
}

func (f *Fetcher) jobs() int {
	if f.Jobs > 0 {
		return f.Jobs
	}
	return 8
}

func (f *Fetcher) event(e Event) {
	if f.Events == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Events(e)
}

// Fetch brings all packages of r into the cache. Those that are there are
// verified and not asked for again. It may be called again after a failure and
// goes on where that one stopped.
func (f *Fetcher) Fetch(ctx context.Context, r *Resolution) error {
	var done atomic.Int64
	total := r.Size()
	largestFirst := slices.SortedFunc(slices.Values(r.Packages), func(a, b Package) int { return cmp.Compare(b.Size, a.Size) })
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(f.jobs())
	for _, p := range largestFirst {
		group.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			count := func(n int64) { f.event(Event{"fetch", p.Name, done.Add(n), total}) }
			if err := f.fetchOne(ctx, p, count); err != nil {
				return fmt.Errorf("fetch %s %s: %w", p.Name, p.Version, err)
			}
			return nil
		})
	}
	return f.hostError(group.Wait())
}

func (f *Fetcher) fetchOne(ctx context.Context, p Package, count func(int64)) error {
	if !field.IsSum(p.Sum) || !field.IsPoolPath(p.Filename) {
		return fmt.Errorf("the resolution is damaged: hash %q, file %q", p.Sum, p.Filename)
	}
	name := f.debPath(p.Sum)
	ok, err := haveFile(name, p.hash())
	if ok {
		count(p.Size)
	}
	if ok || err != nil {
		return err
	}
	return f.download(ctx, p.address(), name, p.hash(), count)
}
