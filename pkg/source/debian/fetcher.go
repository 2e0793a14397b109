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
	"github.com/carosio/carosbuild/pkg/source/debian/unpack"
)

// Fetcher reads from mirrors into a cache, and from the cache into directories. It
// may be used by several goroutines, and the cache by several processes.
type Fetcher struct {
	Cache  string       // directory; made if absent
	HTTP   *http.Client // nil is a direct one; see Host.HTTPClient
	Jobs   int          // downloads at a time; 0 is 8
	Events func(Event)  // may be nil; called by one goroutine at a time

	// SkipOwners gives every file to the caller, for callers who are not root in
	// their own user namespace.
	SkipOwners bool
	// Owners sets the owners of files; nil uses the kernel.
	Owners unpack.Owners

	Backoff time.Duration // pause before the second attempt; 0 is 300 ms

	once   sync.Once
	direct *http.Client
	mu     sync.Mutex // serialises Events
}

// Reporting is a copy of f with other events.
func (f *Fetcher) Reporting(events func(Event)) *Fetcher {
	return &Fetcher{Cache: f.Cache, HTTP: f.HTTP, Jobs: f.Jobs, Events: events, SkipOwners: f.SkipOwners, Owners: f.Owners, Backoff: f.Backoff}
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

// Fetch downloads all packages of r into the cache. Those that exist are verified
// and not downloaded again. After a failure it may be called again and continues.
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

// Unpack writes the base set of r, the packages that are not Extra, into root,
// which must be an empty directory, as unpack.Set does. The packages must be in the
// cache (Fetch).
func (f *Fetcher) Unpack(ctx context.Context, r *Resolution, root string) error {
	base := r.base()
	set := unpack.Set{Arch: r.Arch, MergedUsr: r.MergedUsr, Sources: r.Sources, States: r.extendedStates(base)}
	for _, p := range base {
		set.Packages = append(set.Packages, unpack.Package{
			Name: p.Name, Version: p.Version, Size: p.Size,
			Read: func() ([]byte, error) { return readVerified(f.debPath(p.Sum), p.hash()) },
		})
	}
	return set.Unpack(ctx, root, unpack.Options{
		SkipOwners: f.SkipOwners, Owners: f.Owners,
		Progress: func(name string, done, total int64) { f.event(Event{"unpack", name, done, total}) },
	})
}
