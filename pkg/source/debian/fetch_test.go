// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/netfault"
)

// pool serves one package of random-looking content and resolves to it.
func pool(t *testing.T, r *fakeRepo, size int) (*Resolution, []byte) {
	t.Helper()
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	r.put("/debian/pool/a.deb", data)
	return &Resolution{Packages: []Package{{
		Name: "a", Version: "1", URL: r.server.URL + "/debian", Filename: "pool/a.deb",
		Size: int64(size), Sum: fmt.Sprintf("%x", sha256.Sum256(data)),
	}}}, data
}

func TestFetchFaults(t *testing.T) {
	const size = 300_000
	for _, c := range []struct {
		name   string
		part   func(data []byte) []byte // left by an earlier attempt
		before func(n int, data []byte, w http.ResponseWriter, q *http.Request) bool
		hits   int    // requests expected
		want   string // of the error; "" is success
	}{
		{"plain", nil, nil, 1, ""},
		{"resumed", func(d []byte) []byte { return d[:1000] }, func(_ int, _ []byte, w http.ResponseWriter, q *http.Request) bool {
			if q.Header.Get("Range") != "bytes=1000-" {
				http.Error(w, "range wanted", http.StatusBadRequest)
				return true
			}
			return false
		}, 1, ""},
		{"complete but not renamed", func(d []byte) []byte { return d }, nil, 0, ""},
		{"part is longer", func(d []byte) []byte { return append(bytes.Clone(d), 'x') }, nil, 1, ""},
		{"part is another file's", func(d []byte) []byte { return make([]byte, 5000) }, nil, 2, ""},
		{"server without ranges", func(d []byte) []byte { return d[:1000] }, func(_ int, d []byte, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(d)
			return true
		}, 1, ""},
		{"range elsewhere", func(d []byte) []byte { return d[:1000] }, func(_ int, d []byte, w http.ResponseWriter, q *http.Request) bool {
			q.Header.Set("Range", "bytes=0-")
			return false
		}, 1, ""},
		{"connection cut, then resumed", nil, func(n int, d []byte, w http.ResponseWriter, q *http.Request) bool {
			if n > 1 {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(d)))
			_, _ = w.Write(d[:100_000])
			panic(http.ErrAbortHandler)
		}, 2, ""},
		{"busy twice", nil, func(n int, _ []byte, w http.ResponseWriter, _ *http.Request) bool {
			if n <= 2 {
				w.WriteHeader([]int{0, http.StatusServiceUnavailable, http.StatusTooManyRequests}[n])
			}
			return n <= 2
		}, 3, ""},
		{"busy for ever", nil, func(_ int, _ []byte, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}, attempts, "502"},
		{"not there", nil, func(_ int, _ []byte, w http.ResponseWriter, q *http.Request) bool {
			http.NotFound(w, q)
			return true
		}, 1, "404"},
		{"shorter than it should be", nil, func(_ int, d []byte, w http.ResponseWriter, q *http.Request) bool {
			q.Header.Del("Range")
			_, _ = w.Write(d[:1000])
			return true
		}, attempts, "ends after 1000 of 300000 bytes"},
		{"longer than it should be", nil, func(_ int, d []byte, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(append(bytes.Clone(d), "more"...))
			return true
		}, attempts, "is longer than the 300000 bytes"},
		{"other content", nil, func(_ int, d []byte, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = w.Write(make([]byte, len(d)))
			return true
		}, attempts, "the signed index says"},
		{"refuses to resume", func(d []byte) []byte { return d[:1000] }, func(_ int, _ []byte, w http.ResponseWriter, q *http.Request) bool {
			if q.Header.Get("Range") != "" {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
			return false
		}, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRepo(t)
			res, data := pool(t, r, size)
			var n int
			r.before = func(w http.ResponseWriter, q *http.Request) bool {
				n++
				return c.before != nil && c.before(n, data, w, q)
			}
			f := r.fetcher(t)
			var last Event
			f.Events = func(e Event) { last = e }
			name := f.debPath(res.Packages[0].Sum)
			if c.part != nil {
				must(t, os.MkdirAll(filepath.Dir(name), 0o755))
				must(t, os.WriteFile(name+".part", c.part(data), 0o644))
			}
			err := f.Fetch(t.Context(), res)
			if n != c.hits {
				t.Errorf("got %d requests, want %d", n, c.hits)
			}
			got, readErr := os.ReadFile(name)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want an error with %q", err, c.want)
				}
				if !netfault.Is(err) {
					t.Errorf("not seen as the network's fault: %v", err)
				}
				if readErr == nil {
					t.Error("a file is there under its final name")
				}
				return
			}
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("got %d bytes, error %v; want %d bytes", len(got), err, len(data))
			}
			if last.Done != size || last.Total != size {
				t.Errorf("last event: got %d of %d bytes, want %d of both", last.Done, last.Total, size)
			}
			if _, err := os.Stat(name + ".part"); err == nil {
				t.Error("the .part file is still there")
			}
		})
	}
}

func TestFetchRepairsTheCache(t *testing.T) {
	r := newRepo(t)
	res, data := pool(t, r, 1000)
	f := r.fetcher(t)
	must(t, f.Fetch(t.Context(), res))
	must(t, f.Fetch(t.Context(), res))
	if n := r.count("/debian/pool/a.deb"); n != 1 {
		t.Errorf("got %d requests for a cached file, want 1", n)
	}
	name := f.debPath(res.Packages[0].Sum)
	broken := bytes.Clone(data)
	broken[500] ^= 1
	must(t, os.WriteFile(name, broken, 0o644))
	must(t, f.Fetch(t.Context(), res))
	if got, _ := os.ReadFile(name); !bytes.Equal(got, data) {
		t.Error("a flipped bit in the cache was not repaired")
	}
}

// Builds that share a cache do not disturb each other, and one download serves
// all.
func TestFetchTogether(t *testing.T) {
	r := newRepo(t)
	res, data := pool(t, r, 2_000_000)
	var requests atomic.Int32
	r.before = func(http.ResponseWriter, *http.Request) bool {
		requests.Add(1)
		time.Sleep(20 * time.Millisecond)
		return false
	}
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f := &Fetcher{Cache: cache, Backoff: time.Millisecond}
			if err := f.Fetch(t.Context(), res); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f := &Fetcher{Cache: cache}
	if got, err := os.ReadFile(f.debPath(res.Packages[0].Sum)); !bytes.Equal(got, data) {
		t.Errorf("wrong content, error %v", err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "debs", "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A lock excludes others. A process that waited for it gets the file with that
// name, not the one that was renamed meanwhile.
func TestLockPart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "sub", "x")
	first, err := lockPart(t.Context(), name)
	must(t, err)
	type result struct {
		file *os.File
		err  error
	}
	second := make(chan result)
	go func() {
		f, err := lockPart(t.Context(), name)
		second <- result{f, err}
	}()
	time.Sleep(120 * time.Millisecond)
	must(t, commitPart(first, name))
	must(t, os.WriteFile(name+".part", nil, 0o644))
	must(t, first.Close())
	got := <-second
	must(t, got.err)
	defer got.file.Close()
	if !sameFile(got.file, name+".part") {
		t.Error("the lock is on a file that has another name by now")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := lockPart(ctx, name); err == nil {
		t.Error("locked twice")
	}
}

func TestFetchCancelled(t *testing.T) {
	r := newRepo(t)
	res, _ := pool(t, r, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		cancel()
		<-q.Context().Done()
		return true
	}
	start := time.Now()
	if err := r.fetcher(t).Fetch(ctx, res); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %v, want an error at once", err, time.Since(start))
	}
}

func TestFetchRefusesDamagedResolution(t *testing.T) {
	for _, p := range []Package{
		{Name: "a", URL: "http://127.0.0.1:1", Filename: "pool/a.deb", Sum: "../../etc/x"},
		{Name: "a", URL: "http://127.0.0.1:1", Filename: "../a.deb", Sum: strings.Repeat("a", 64)},
	} {
		f := &Fetcher{Cache: t.TempDir()}
		err := f.Fetch(t.Context(), &Resolution{Packages: []Package{p}})
		if err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s, %s: got %v", p.Filename, p.Sum, err)
		}
	}
}
