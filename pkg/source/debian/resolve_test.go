// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
	"github.com/carosio/carosbuild/pkg/source/debian/signed"
)

func names(r *Resolution) []string {
	var out []string
	for _, p := range r.Packages {
		word := p.Name + "/" + string(p.Role)
		if p.Auto {
			word += "/auto"
		}
		out = append(out, word)
	}
	return out
}

func TestResolve(t *testing.T) {
	for _, pack := range []string{".xz", ".gz"} {
		r := newRepo(t)
		extra := debtest.Deb{Name: "hello", Version: "1", Fields: "Priority: optional\nDepends: libhello\n"}
		lib := debtest.Deb{Name: "libhello", Version: "1", Arch: "all"}
		r.suite(suiteSpec{pack: pack}, append(debtest.Base(), extra, lib)...)
		f := r.fetcher(t)
		got, err := f.Resolve(t.Context(), r.bootstrap("hello"), Host{}, testNow)
		if err != nil {
			t.Fatalf("packed %q: %v", pack, err)
		}
		want := []string{"mawk/essential", "base-files/essential", "libc6/required/auto", "apt/required", "libhello/extra/auto", "hello/extra"}
		if diff := cmp.Diff(names(got), want); diff != "" {
			t.Errorf("packages (got, want):\n%s", diff)
		}
		if got, want := got.Sources, "deb "+r.server.URL+"/debian sid main\n"; got != want {
			t.Errorf("sources: got %q, want %q", got, want)
		}
	}
}

func TestResolveFailures(t *testing.T) {
	expired := newKey(t, 365*24*time.Hour)
	for _, c := range []struct {
		name   string
		suite  suiteSpec
		change func(r *fakeRepo, b *Bootstrap, h *Host)
		want   string
	}{
		{"wrong hash of the index", suiteSpec{tamper: func(s string) string { return strings.Replace(s, "1.3", "1.4", 1) }}, nil, "signed index says"},
		{"longer index", suiteSpec{tamper: func(s string) string { return s + strings.Repeat("random 9x7", 99) }}, nil, "is the mirror being updated?"},
		{"text altered after signing", suiteSpec{}, func(r *fakeRepo, _ *Bootstrap, _ *Host) {
			name := "/debian/dists/sid/InRelease"
			r.put(name, []byte(strings.Replace(string(r.files[name]), "Codename: sid", "Codename: six", 1)))
		}, "no good signature"},
		{"text before the signed part", suiteSpec{}, func(r *fakeRepo, _ *Bootstrap, _ *Host) {
			name := "/debian/dists/sid/InRelease"
			r.put(name, append([]byte("Suite: sid\n"), r.files[name]...))
		}, "not a cleartext-signed message"},
		{"text after the signed part", suiteSpec{}, func(r *fakeRepo, _ *Bootstrap, _ *Host) {
			name := "/debian/dists/sid/InRelease"
			r.put(name, append(r.files[name], "Suite: sid\n"...))
		}, "text after the signature"},
		{"unknown key", suiteSpec{}, func(r *fakeRepo, b *Bootstrap, _ *Host) {
			b.Keyring = writeKeyring(r.t, newKey(r.t, 0))
		}, "unknown"},
		{"expired key", suiteSpec{}, func(r *fakeRepo, b *Bootstrap, _ *Host) {
			b.Keyring = writeKeyring(r.t, expired)
			name := "/debian/dists/sid/InRelease"
			text, err := signed.VerifyClearsigned(r.files[name], []*entity{r.key}, testNow)
			must(r.t, err)
			r.put(name, sign(r.t, text, expired))
		}, "expired"},
		{"no keyring", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Keyring = "" }, `keyring="FILE"`},
		{"release of another suite", suiteSpec{name: "sid", codename: "sid"}, func(r *fakeRepo, b *Bootstrap, _ *Host) {
			b.Suite = "experimental"
			r.put("/debian/dists/experimental/InRelease", r.files["/debian/dists/sid/InRelease"])
		}, `is that of suite "sid"`},
		{"out of date", suiteSpec{validUntil: testNow.Add(-time.Hour)}, nil, "was valid until"},
		{"from the future", suiteSpec{date: testNow.Add(time.Hour)}, nil, "in the future"},
		{"architecture", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Arch = "riscv64" }, "no architecture riscv64"},
		{"component", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Components = []string{"main", "non-free"} }, `no component "non-free"`},
		{"unreachable", suiteSpec{}, func(r *fakeRepo, _ *Bootstrap, _ *Host) { r.server.Close() }, "connection refused"},
		{"not found", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Suite = "unstable" }, "has no suite unstable"},
		{
			"missing dependency",
			suiteSpec{},
			func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Packages = []string{"needy"} },
			"needy 1 depends on gone (>= 2), which is not in sid (amd64): needy was asked for",
		},
		{"missing package", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Packages = []string{"nope"} }, `package "nope" is not in sid`},
		{"missing version", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Packages = []string{"mawk=9"} }, "no version 9, only 1.3"},
		{"several mistakes", suiteSpec{}, func(_ *fakeRepo, b *Bootstrap, _ *Host) { b.Arch, b.Variant = "../x", "tiny" }, "variant \"tiny\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRepo(t)
			r.suite(c.suite, append(debtest.Base(), debtest.Deb{Name: "needy", Version: "1", Fields: "Depends: gone (>= 2)\n"})...)
			b, h := r.bootstrap(), Host{}
			if c.change != nil {
				c.change(r, &b, &h)
			}
			_, err := r.fetcher(t).Resolve(t.Context(), b, h, testNow)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestResolveAcceptsOldReleases(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{validUntil: testNow.Add(-time.Hour)}, debtest.Base()...)
	if _, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap(), Host{IgnoreValidUntil: true}, testNow); err != nil {
		t.Errorf("Check-Valid-Until false: %v", err)
	}
	r.suite(suiteSpec{archive: "/20200101T000000Z/debian", validUntil: testNow.Add(-time.Hour)}, debtest.Base()...)
	b := r.bootstrap()
	b.Mirror, b.Snapshot = r.server.URL+"/{snapshot}/debian/", "20200101T000000Z"
	got, err := r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow)
	if err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	if want := "deb [check-valid-until=no] " + r.server.URL + "/20200101T000000Z/debian sid main\n"; got.Sources != want {
		t.Errorf("sources: got %q, want %q", got.Sources, want)
	}
}

// Whether a key is valid depends on the given time, not on the clock.
func TestVerifyTakesTime(t *testing.T) {
	key := newKey(t, 5*365*24*time.Hour)
	message := sign(t, "Suite: sid\n", key)
	if _, err := signed.VerifyClearsigned(message, []*entity{key}, testNow); err != nil {
		t.Errorf("within the key's life: %v", err)
	}
	if _, err := signed.VerifyClearsigned(message, []*entity{key}, testNow.AddDate(10, 0, 0)); err == nil {
		t.Error("ten years later: want an error")
	}
	if _, err := signed.VerifyClearsigned(message, []*entity{key}, testNow.AddDate(-1, 0, 0)); err == nil {
		t.Error("before it was made: want an error")
	}
}

// A signature that cannot be checked does not invalidate one that can.
func TestResolveSeveralSignatures(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	name := "/debian/dists/sid/InRelease"
	text, err := signed.VerifyClearsigned(r.files[name], []*entity{r.key}, testNow)
	must(t, err)
	expired := newKey(t, time.Hour)
	r.put(name, sign(t, text, newKey(t, 0), expired, r.key))
	b := r.bootstrap()
	b.Keyring = writeKeyring(t, expired, r.key)
	if _, err := r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow); err != nil {
		t.Error(err)
	}
}

func TestResolveSecurity(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{name: "bookworm"}, debtest.Base()...)
	r.suite(suiteSpec{name: "bookworm-updates"})
	r.suite(suiteSpec{name: "bookworm-security", archive: "/security"}, debtest.Deb{Name: "mawk", Version: "1.3+deb12u1", Fields: "Provides: awk\n"})
	b := r.bootstrap()
	b.Suite = "bookworm"
	f := r.fetcher(t)
	host := Host{SecurityMirror: r.server.URL + "/security"}
	got, err := f.Resolve(t.Context(), b, host, testNow)
	must(t, err)
	if p := got.Packages[0]; p.Version != "1.3+deb12u1" || p.URL != host.SecurityMirror {
		t.Errorf("got mawk %s of %s, want the security update", p.Version, p.URL)
	}
	if want := "deb " + DefaultSecurityMirror + " bookworm-security main\n"; !strings.Contains(got.Sources, want) {
		t.Errorf("sources: got %q, want the public alias", got.Sources)
	}
	b.SecurityMirror = NoMirror
	if got, err = f.Resolve(t.Context(), b, host, testNow); err != nil {
		t.Fatal(err)
	} else if p := got.Packages[0]; p.Version != "1.3" || strings.Contains(got.Sources, "security") {
		t.Errorf("without security: got mawk %s, sources %q", p.Version, got.Sources)
	}
	b.SecurityMirror = r.server.URL + "/elsewhere"
	if _, err = f.Resolve(t.Context(), b, host, testNow); err == nil || !strings.Contains(err.Error(), "has no suite bookworm-security") {
		t.Errorf("no security archive: got %v", err)
	}
}

// The digest and the result's sources do not depend on where the files came from;
// another package, role or source changes the digest.
func TestDigest(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	r.suite(suiteSpec{archive: "/other"}, debtest.Base()...)
	b := r.bootstrap()
	b.Mirror = ""
	resolve := func(b Bootstrap, mirror string) *Resolution {
		t.Helper()
		got, err := r.fetcher(t).Resolve(t.Context(), b, Host{Mirror: r.server.URL + mirror}, testNow)
		must(t, err)
		return got
	}
	one, two := resolve(b, "/debian"), resolve(b, "/other")
	if one.Digest() != two.Digest() || one.Packages[0].URL == two.Packages[0].URL {
		t.Errorf("two mirrors: got %s and %s of %s and %s", one.Digest(), two.Digest(), one.Packages[0].URL, two.Packages[0].URL)
	}
	if strings.Contains(one.Sources, r.server.URL) || !strings.Contains(one.Sources, DefaultMirror) {
		t.Errorf("sources name the host's mirror: %q", one.Sources)
	}
	data, err := json.Marshal(one)
	must(t, err)
	var back Resolution
	must(t, json.Unmarshal(data, &back))
	if diff := cmp.Diff(&back, one); diff != "" {
		t.Errorf("JSON round trip (got, want):\n%s", diff)
	}
	b.Components = []string{"main", "main"}
	if resolve(b, "/debian").Digest() == one.Digest() {
		t.Error("other sources, same digest")
	}
	back.Packages[0].Sum = strings.Repeat("0", 64)
	if back.Digest() == one.Digest() {
		t.Error("other package, same digest")
	}
}

func TestResolveCaches(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	f := r.fetcher(t)
	full := 0
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "InRelease") && q.Header.Get("If-None-Match") == "" {
			full++
		}
		return false
	}
	for range 3 {
		_, err := f.Resolve(t.Context(), r.bootstrap(), Host{}, testNow)
		must(t, err)
	}
	if full != 1 {
		t.Errorf("InRelease read in full %d times, want once", full)
	}
	indices := 0
	for name, n := range r.hits {
		if strings.Contains(name, "by-hash") {
			indices += n
		}
		if strings.HasSuffix(name, "Packages.xz") {
			t.Errorf("%s was read %d times, want by-hash only", name, n)
		}
	}
	if indices != 1 {
		t.Errorf("index read %d times, want once", indices)
	}
	r.suite(suiteSpec{}, append(debtest.Base(), debtest.Deb{Name: "new", Version: "1"})...) // the mirror is updated
	if _, err := f.Resolve(t.Context(), r.bootstrap("new"), Host{}, testNow); err != nil {
		t.Errorf("after renewal: %v", err)
	}
}

func TestResolveWithoutByHash(t *testing.T) {
	for _, listed := range []bool{false, true} { // listed, but missing
		r := newRepo(t)
		r.suite(suiteSpec{noByHash: !listed}, debtest.Base()...)
		r.before = func(w http.ResponseWriter, q *http.Request) bool {
			if strings.Contains(q.URL.Path, "by-hash") {
				http.NotFound(w, q)
				return true
			}
			return false
		}
		if _, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap(), Host{}, testNow); err != nil {
			t.Errorf("by-hash announced %v: %v", listed, err)
		}
	}
}
