// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

// closedFetcher is one with an empty cache that reaches no server.
func closedFetcher(t *testing.T, h Host) *Fetcher {
	t.Helper()
	client := h.HTTPClient()
	client.Transport = download.Gate{Closed: true}.Around(client.Transport)
	return &Fetcher{Cache: t.TempDir(), HTTP: client, Backoff: time.Hour}
}

// vendored is a bootstrap of a fake mirror, what it comes to, and a folder with that.
func vendored(t *testing.T, spec suiteSpec) (r *fakeRepo, b Bootstrap, h Host, res *Resolution, dir string) {
	t.Helper()
	r = newRepo(t)
	hello := debtest.Deb{Name: "hello", Version: "1", Fields: "Priority: optional\n"}
	r.suite(spec, append(debtest.Base(), hello)...)
	b = Bootstrap{Suite: "sid", Arch: "amd64", Packages: []string{"hello"}, Keyring: r.keyring}
	h = Host{Mirror: r.server.URL + "/debian"}
	f := r.fetcher(t)
	res, err := f.Resolve(t.Context(), b, h, testNow)
	must(t, err)
	dir = t.TempDir()
	must(t, f.Export(t.Context(), b, h, testNow, res, dir))
	return r, b, h, res, dir
}

// TestVendored: what Export has written takes the place of the mirror, on a host that
// names another one, and what is read from it is checked as if a mirror had sent it.
func TestVendored(t *testing.T) {
	for name, spec := range map[string]suiteSpec{"plain": {}, "detached": {detached: true, armored: true}, "no by-hash": {noByHash: true}, "packed only": {packedOnly: true}} {
		t.Run(name, func(t *testing.T) {
			r, b, h, res, dir := vendored(t, spec)
			r.server.Close()
			lock := res.Lock(b)
			away := Host{Mirror: "http://mirror.invalid/debian"}
			got, err := lock.Resolution(b, away)
			must(t, err)
			if lacking, err := closedFetcher(t, away).Lacking(got); err != nil || len(lacking) != len(res.Packages) {
				t.Errorf("without the folder, %d of %d are lacking (%v)", len(lacking), len(res.Packages), err)
			}
			away.Vendored = dir
			f := closedFetcher(t, away)
			if got, err = lock.Resolution(b, away); err != nil {
				t.Fatal(err)
			}
			if lacking, err := f.Lacking(got); err != nil || len(lacking) != 0 {
				t.Errorf("lacking: %v, %v", lacking, err)
			}
			must(t, f.Fetch(t.Context(), got))
			if diff := cmp.Diff(res.Digest(), got.Digest()); diff != "" {
				t.Error(diff)
			}
			again, err := closedFetcher(t, away).Resolve(t.Context(), b, away, testNow) // without a lock file
			must(t, err)
			if diff := cmp.Diff(names(res), names(again)); diff != "" {
				t.Error(diff)
			}
			step, err := b.AptFiles(Host{Mirror: h.Mirror, Vendored: dir}, nil, "")
			must(t, err)
			aptUpdate(t, step, r.keyring)
		})
	}
}

// TestVendoredTampered: neither a package nor an index that was exchanged is used.
func TestVendoredTampered(t *testing.T) {
	_, b, _, res, dir := vendored(t, suiteSpec{})
	h := Host{Mirror: "http://mirror.invalid/debian", Vendored: dir}
	change := func(pattern string) string {
		t.Helper()
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, name := range names {
			data, err := os.ReadFile(name)
			must(t, err)
			data[len(data)/2] ^= 1
			must(t, os.WriteFile(name, data, 0o644))
		}
		if len(names) == 0 {
			t.Fatalf("no %s", pattern)
		}
		return filepath.Base(names[0])
	}
	deb := change("*/pool/hello_*.deb")
	lock := res.Lock(b)
	got, err := lock.Resolution(b, h)
	must(t, err)
	start := time.Now()
	if err := closedFetcher(t, h).Fetch(t.Context(), got); err == nil || !strings.Contains(err.Error(), deb) || time.Since(start) > time.Minute {
		t.Errorf("got %v", err)
	}
	change("*/dists/sid/InRelease")
	if _, err := closedFetcher(t, h).Resolve(t.Context(), b, h, testNow); err == nil || !strings.Contains(err.Error(), "InRelease") {
		t.Errorf("got %v", err)
	}
}

// TestClosedFetcher: without a folder no mirror is asked, and that is found out at once.
func TestClosedFetcher(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	h := Host{Mirror: r.server.URL + "/debian"}
	_, err := closedFetcher(t, h).Resolve(t.Context(), Bootstrap{Suite: "sid", Arch: "amd64", Keyring: r.keyring}, h, testNow)
	if err == nil || !download.IsClosed(err.Error()) || len(r.hits) > 0 {
		t.Errorf("got %v, asked for %v", err, r.hits)
	}
}

// TestRecord: a relay that records answers with whole files, keeps them where Export would
// have put them, and passes on nothing else.
func TestRecord(t *testing.T) {
	r, b, h, _, dir := vendored(t, suiteSpec{})
	recorded := t.TempDir()
	host, err := h.Record(recorded, []Bootstrap{b, b})
	must(t, err)
	if !host.NeedsRelay() || !h.Public().Equal(host.Public()) {
		t.Error("the host is another one to a plan, or has no relay")
	}
	relay := startRelay(t, host)
	step, err := b.AptFiles(host, nil, relay.Address())
	must(t, err)
	aptUpdate(t, step, r.keyring)
	proxy, err := url.Parse(relay.Address())
	must(t, err)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	ask := func(address string) (int, string) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
		must(t, err)
		q.Header.Set("Range", "bytes=3-")
		answer, err := client.Do(q)
		must(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		return answer.StatusCode, string(body)
	}
	deb := "/pool/hello_1.deb"
	if status, body := ask(h.Mirror + deb); status != http.StatusOK || body != string(r.files["/debian"+deb]) {
		t.Errorf("status %d, %d bytes", status, len(body))
	}
	for _, other := range []string{r.server.URL + "/other/x", h.Mirror + "/../x", h.Mirror + "/a/%2e%2e/%2e%2e/%2e%2e/x"} {
		if status, _ := ask(other); status == http.StatusOK {
			t.Errorf("%s: status %d", other, status)
		}
	}
	want, got := debtest.List(t, dir), debtest.List(t, recorded)
	found := 0
	for name, content := range got {
		if strings.HasSuffix(name, "InRelease") || strings.HasSuffix(name, ".deb") || strings.Contains(name, "by-hash/SHA256/") {
			found++
			if want[name] != content {
				t.Errorf("%s is not as exported", name)
			}
		}
	}
	if found != 3 {
		t.Errorf("recorded: %v", slices.Sorted(maps.Keys(got)))
	}
}

// TestRecordedNames: what a step asks for names no file outside of the folder.
func TestRecordedNames(t *testing.T) {
	h, err := Host{Mirror: "https://m.example.org/debian"}.Record(t.TempDir(), []Bootstrap{{Suite: "sid", Arch: "amd64"}})
	must(t, err)
	for path, want := range map[string]string{
		"/debian/pool/a_1.deb": "pool/a_1.deb", "/debian/../x": "", "/debian/pool/../../x": "", "/debian//etc/passwd": "", "/debian/": "", "/debian": "", "/debian/.": "", "/other/x": "", `/debian/a\..\b`: "",
	} {
		_, got, _ := h.recording.of(&url.URL{Scheme: "http", Host: "M.example.org", Path: path})
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if _, _, ok := h.recording.of(&url.URL{Scheme: "http", Host: "other.example.org", Path: "/debian/a"}); ok {
		t.Error("another host is recorded")
	}
}
