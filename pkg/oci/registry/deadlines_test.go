// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// quick are deadlines for tests; servers that are slow take far longer.
func quick() Deadlines {
	return Deadlines{Headers: 500 * time.Millisecond, Progress: 500 * time.Millisecond, Small: 500 * time.Millisecond, Waiting: 3 * time.Second}
}

// openImage opens an image in the same way as a disk does.
func openImage(t *testing.T, r Client, ref string) error {
	t.Helper()
	if r.Backoff.Steps == 0 {
		r.Backoff = ocitest.QuickRetry()
	}
	tars, err := r.OpenTars(t.Context(), ref, "amd64", oci.TarCache{Dir: t.TempDir()})
	if err != nil {
		return err
	}
	return tars.Close()
}

// A server that redirects forever, says nothing, stops, or sends very slowly, is
// given up, whatever it is asked for.
func TestSlowServers(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", strings.Repeat("x", 200<<10))))
	var n atomic.Int64
	stop := make(chan struct{})
	defer close(stop)
	wait := func(r *http.Request, d time.Duration) {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		case <-stop:
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		name, body := img.what(r)
		if name == "manifest" {
			w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		for _, b := range body {
			if _, err := w.Write([]byte{b}); err != nil || r.Context().Err() != nil {
				return
			}
			w.(http.Flusher).Flush()
			wait(r, 20*time.Millisecond)
		}
	}
	for how, f := range map[string]http.HandlerFunc{
		"goes round": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusTemporaryRedirect)
		},
		"says nothing": func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Minute) },
		"stops": func(w http.ResponseWriter, r *http.Request) {
			_, body := img.what(r)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			wait(r, time.Minute)
		},
		"drips": drip,
	} {
		for _, what := range []string{"ping", "manifest", "config", "layer"} {
			t.Run(how+" at the "+what, func(t *testing.T) {
				if what == "ping" && how != "goes round" && how != "says nothing" {
					t.Skip("has no body")
				}
				n.Store(0)
				host := img.serveAs(t, what, func(w http.ResponseWriter, r *http.Request) {
					n.Add(1)
					f(w, r)
				})
				start := time.Now()
				err := openImage(t, Client{Deadlines: quick()}, host+"/x:1")
				if err == nil || !IsNetwork(err) {
					t.Errorf("got %v, want an error of the network", err)
				}
				if d := time.Since(start); d > 20*time.Second || n.Load() > 2*(maxRedirects+1) {
					t.Errorf("%d requests in %s", n.Load(), d)
				}
			})
		}
	}
}

// A transfer that makes progress, though slowly, is not given up.
func TestSlowIsNotStalled(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", strings.Repeat("x", 400<<10))))
	host := img.serveAs(t, "layer", func(w http.ResponseWriter, r *http.Request) {
		_, body := img.what(r)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		for len(body) > 0 {
			n := min(len(body), 48<<10)
			_, _ = w.Write(body[:n])
			w.(http.Flusher).Flush()
			body = body[n:]
			time.Sleep(80 * time.Millisecond)
		}
	})
	if err := openImage(t, Client{Deadlines: quick()}, host+"/x:1"); err != nil {
		t.Error(err)
	}
}

// If the connection of a layer ends, the rest is requested; a server without
// support for ranges sends all of it again.
func TestCutLayer(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", strings.Repeat("content ", 100<<10))))
	for _, ranges := range []bool{true, false} {
		var mu sync.Mutex
		var asked []string
		host := img.serveAs(t, "layer", func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, r.Header.Get("Range"))
			first := len(asked) == 1
			mu.Unlock()
			if !ranges {
				r.Header.Del("Range")
			}
			if !first {
				img.serve(w, r)
				return
			}
			w.Header().Set("Content-Length", strconv.Itoa(len(img.layer)))
			_, _ = w.Write(img.layer[:300<<10])
			panic(http.ErrAbortHandler)
		})
		if err := openImage(t, Client{}, host+"/x:1"); err != nil {
			t.Errorf("ranges %t: %v", ranges, err)
		}
		var from int
		if len(asked) == 2 {
			_, _ = fmt.Sscanf(asked[1], "bytes=%d-", &from)
		}
		if len(asked) != 2 || from == 0 || from > 300<<10 {
			t.Errorf("ranges %t: asked for %q, want all and then the rest", ranges, asked)
		}
	}
	host := img.serveAs(t, "layer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(img.layer)))
		_, _ = w.Write(img.layer[:300<<10])
		panic(http.ErrAbortHandler)
	})
	if err := openImage(t, Client{}, host+"/x:1"); !IsNetwork(err) || !strings.Contains(err.Error(), "ends it before its") {
		t.Errorf("always cut off: %v", err)
	}
}

// A truncated document is requested again, a few times.
func TestCutDocument(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	for _, what := range []string{"manifest", "config"} {
		for _, times := range []int{1, 99} {
			var n atomic.Int64
			host := img.serveAs(t, what, func(w http.ResponseWriter, r *http.Request) {
				if int(n.Add(1)) > times {
					img.serve(w, r)
					return
				}
				_, body := img.what(r)
				w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				_, _ = w.Write(body[:len(body)/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})
			err := openImage(t, Client{}, host+"/x:1")
			if times == 1 && err != nil || times > 1 && (!IsNetwork(err) || !strings.Contains(err.Error(), "the connection to "+host+" broke")) {
				t.Errorf("%s cut off %d times: %v", what, times, err)
			}
			if want := min(times+1, ocitest.QuickRetry().Steps); int(n.Load()) != want {
				t.Errorf("%s: asked %d times, want %d", what, n.Load(), want)
			}
		}
	}
}

// An upload that the server does not read is given up.
func TestStalledUpload(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // and reads nothing
		}
	}()
	limits := quick()
	g := &guard{host: l.Addr().String(), plain: Client{}.plain, limits: limits.withDefaults(), next: &http.Transport{}}
	req, err := http.NewRequest(http.MethodPatch, "http://"+l.Addr().String()+"/v2/x/blobs/uploads/1", io.LimitReader(zeros{}, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	var slow *slowError
	if _, err := g.RoundTrip(req); !errors.As(err, &slow) || !strings.Contains(err.Error(), "took nothing") {
		t.Errorf("got %v", err)
	}
}

// A registry that asks for a pause gets it, and one more request; a registry that
// asks for too long a pause is given up at once.
func TestRetryAfter(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	for _, tt := range []struct {
		after, status, busy int // number of times that it says it is busy
		ok                  bool
		err                 string
	}{
		{1, 429, 2, true, ""},
		{1, 503, 1, true, ""},
		{3600, 429, 1, false, "asks to wait for 1h0m0s, and 3s is the longest"},
		{1, 503, 99, false, "still asks to wait, after 3s"},
		{0, 429, 3, true, ""},
		{0, 500, 3, true, ""},
		{0, 500, 99, false, "answers 500"},
		{0, 429, 99, false, "answers 429"},
	} {
		var n atomic.Int64
		host := img.serveAs(t, "manifest", func(w http.ResponseWriter, r *http.Request) {
			if int(n.Add(1)) <= tt.busy {
				if tt.after > 0 {
					w.Header().Set("Retry-After", strconv.Itoa(tt.after))
				}
				w.WriteHeader(tt.status)
				return
			}
			img.serve(w, r)
		})
		var mu sync.Mutex
		var said []string
		r := Client{Deadlines: quick(), Backoff: ocitest.QuickRetry()}
		r.Events = func(e oci.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == "wait" {
				said = append(said, e.Text)
			}
		}
		start := time.Now()
		_, err := r.Resolve(t.Context(), host+"/x:1", "amd64")
		took := time.Since(start)
		if (err == nil) != tt.ok || !tt.ok && (!IsNetwork(err) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%+v: %v", tt, err)
		}
		if want := min(tt.busy, 3); tt.after < 60 && (len(said) != want || !strings.Contains(said[0], "trying again in")) {
			t.Errorf("%+v: said %q, want %d lines", tt, said, want)
		}
		if least := time.Duration(tt.after*tt.busy) * time.Second; tt.ok && took < least {
			t.Errorf("%+v: took %s", tt, took)
		}
	}
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	res := &http.Response{Header: http.Header{"Date": {at.Format(http.TimeFormat)}, "Retry-After": {at.Add(time.Minute).Format(http.TimeFormat)}}}
	if d := retryAfter(res); d != time.Minute {
		t.Errorf("a date a minute away is %s away", d)
	}
}

// After the last pause there is one more attempt, and the sum of pauses is limited.
func TestPause(t *testing.T) {
	r := Client{Backoff: remote.Backoff{Duration: time.Second, Factor: 3, Steps: 9, Cap: 30 * time.Second}}
	var got []time.Duration
	for i := range 6 {
		got = append(got, r.pause(i+1)/time.Second)
	}
	if want := "[1ns 3ns 9ns 27ns 30ns 30ns]"; fmt.Sprint(got) != want {
		t.Errorf("pauses %v s, want %s", got, want)
	}
}

// Of a host's addresses, one that answers is used.
func TestDialAny(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	alive, dead := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2") // nobody listens on this one
	for _, ips := range [][]netip.Addr{{alive}, {dead, alive}, {alive, dead}, {dead, dead, alive}} {
		conn, err := dialAny(t.Context(), "tcp", ips, port)
		if err != nil {
			t.Errorf("%v: %v", ips, err)
			continue
		}
		conn.Close()
	}
	if _, err := dialAny(t.Context(), "tcp", []netip.Addr{dead, dead}, port); err == nil || !IsNetwork(err) {
		t.Errorf("both dead: %v", err)
	}
}

// A registry without HEAD is sent GET.
func TestHeadRefused(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		img.serve(w, r)
	}))
	defer srv.Close()
	g := &guard{host: "x", plain: Client{}.plain, limits: Deadlines{}.withDefaults(), next: http.DefaultTransport}
	req, err := http.NewRequest(http.MethodHead, srv.URL+"/v2/x/manifests/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.RoundTrip(req)
	if err != nil || res.StatusCode != 200 || res.ContentLength != int64(len(img.manifest)) || res.Body != http.NoBody {
		t.Errorf("got %+v %v", res, err)
	}
}

// After a failure, the cache's directory has no files.
func TestFailedLayerLeavesNothing(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	host := img.serveAs(t, "layer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	dir := t.TempDir()
	_, err := Client{Backoff: ocitest.QuickRetry()}.OpenTars(t.Context(), host+"/x:1", "amd64", oci.TarCache{Dir: dir})
	if !IsNetwork(err) || !strings.Contains(err.Error(), "does not have it") {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
		t.Error(left)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
