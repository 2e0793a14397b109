// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

// Mirrors of all forms that the real apt accepts.
func TestMirrorsAsAptTakesThem(t *testing.T) {
	for name, s := range map[string]suiteSpec{
		"plain":                     {},
		"signature beside":          {detached: true},
		"signature beside as text":  {detached: true, armored: true},
		"no components":             {noComponents: true},
		"no names":                  {noNames: true},
		"SHA512":                    {sum: "SHA512"},
		"SHA512 without by-hash":    {sum: "SHA512", noByHash: true},
		"compressed only":           {packedOnly: true},
		"compressed only by gzip":   {packedOnly: true, pack: ".gz"},
		"zstd":                      {pack: ".zst"},
		"uncompressed":              {pack: "."},
		"all of that at a time":     {detached: true, armored: true, noComponents: true, sum: "SHA512", packedOnly: true, noByHash: true},
		"a part of a suite":         {name: "trixie-backports"},
		"a suite that nobody knows": {name: "house-2.1"},
		"a suite with capitals":     {name: "sid", codename: "Sid"},
		"of two architectures one":  {foreign: "i386"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.suite(s, debtest.Base()...)
			b := r.bootstrap()
			if s.name != "" {
				b.Suite, b.SecurityMirror = s.name, NoMirror
			}
			f := r.fetcher(t)
			res, err := f.Resolve(t.Context(), b, Host{}, testNow)
			must(t, err)
			if want := []string{"mawk/essential", "base-files/essential", "libc6/required/auto", "apt/required"}; !slices.Equal(names(res), want) {
				t.Errorf("got %v, want %v", names(res), want)
			}
			if again, err := f.Resolve(t.Context(), b, Host{}, testNow); err != nil || again.Digest() != res.Digest() {
				t.Errorf("from the cache: %v", err)
			}
			if locked, err := res.Lock(b).Resolution(b, Host{}); err != nil || locked.Digest() != res.Digest() {
				t.Errorf("locked: %v", err)
			}
			must(t, f.Fetch(t.Context(), res))
			must(t, f.Unpack(t.Context(), res, t.TempDir()))
			if s.detached && !s.armored {
				return // apt accepts text only
			}
			step, err := b.AptFiles(Host{}, res.Without, "")
			must(t, err)
			aptUpdate(t, step, r.keyring)
		})
	}
}

// A detached signature is as good as its key, and no better.
func TestDetachedSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *fakeRepo, dir string)
		want   string
		code   bool // the mirror is to blame
	}{
		"text altered": {func(r *fakeRepo, dir string) {
			r.put(dir+"Release", []byte(strings.Replace(string(r.files[dir+"Release"]), "contrib", "c0ntrib", 1)))
		}, "no good signature", true},
		"another key": {func(r *fakeRepo, dir string) {
			r.put(dir+"Release.gpg", signature(r.t, string(r.files[dir+"Release"]), false, newKey(r.t, 0)))
		}, "is signed by key ", false},
		"no signature": {func(r *fakeRepo, dir string) { r.put(dir+"Release.gpg", nil) }, "no signature", true},
		"not there":    {func(r *fakeRepo, dir string) { delete(r.files, dir+"Release.gpg") }, "neither InRelease nor Release.gpg", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRepo(t)
			r.suite(suiteSpec{detached: true}, debtest.Base()...)
			c.change(r, "/debian/dists/sid/")
			_, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap(), Host{}, testNow)
			if err == nil || !strings.Contains(err.Error(), c.want) || netfault.Is(err) != c.code {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// While a mirror is being updated, its signature may be that of the previous state.
func TestDetachedSignatureIsReadAgain(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{detached: true}, debtest.Base()...)
	const name = "/debian/dists/sid/Release.gpg"
	old, n := signature(t, "old", false, r.key), 0
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		if q.URL.Path != name {
			return false
		}
		if n++; n == 1 {
			_, _ = w.Write(old)
		}
		return n == 1
	}
	if _, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap(), Host{}, testNow); err != nil {
		t.Error(err)
	}
}

// Updates of a suite that the mirror does not have are left out, also of the
// result, and a message says so. Security updates are not left out automatically.
func TestMirrorWithoutUpdates(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{name: "bookworm"}, debtest.Base()...)
	b := r.bootstrap()
	b.Suite, b.SecurityMirror = "bookworm", NoMirror
	res, err := r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow)
	must(t, err)
	if diff := cmp.Diff(res.Without, []string{"bookworm-updates"}); diff != "" {
		t.Errorf("without (got, want):\n%s", diff)
	}
	if want := "deb " + r.server.URL + "/debian bookworm main\n"; res.Sources != want {
		t.Errorf("got %q, want %q", res.Sources, want)
	}
	if again, err := res.Lock(b).Resolution(b, Host{}); err != nil || !slices.Equal(again.Without, res.Without) || again.Digest() != res.Digest() {
		t.Errorf("locked: %+v, %v", again, err)
	}
	step, err := b.AptFiles(Host{}, res.Without, "")
	must(t, err)
	aptUpdate(t, step, r.keyring)

	b.SecurityMirror = ""
	_, err = r.fetcher(t).Resolve(t.Context(), b, Host{SecurityMirror: r.server.URL + "/security"}, testNow)
	ms := AsMistakes(err)
	if len(ms) != 1 || ms[0].Attr != "security-mirror" || !strings.Contains(ms[0].Hint, `security-mirror="none"`) {
		t.Errorf("got %v", err)
	}
	// An answer that does not say which suites there are.
	b.SecurityMirror = NoMirror
	r.before = func(w http.ResponseWriter, q *http.Request) bool {
		bad := strings.Contains(q.URL.Path, "updates")
		if bad {
			w.WriteHeader(http.StatusForbidden)
		}
		return bad
	}
	if _, err := r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow); !netfault.Is(err) {
		t.Errorf("forbidden updates: got %v", err)
	}
}

// A directory of the host is a mirror. The result names the public mirror instead,
// if there is one.
func TestMirrorInADirectory(t *testing.T) {
	for suite, want := range map[string]string{"sid": DefaultMirror, "house": ""} {
		r := newRepo(t)
		r.suite(suiteSpec{name: suite}, debtest.Base()...)
		dir := r.directory("/debian")
		b := Bootstrap{Suite: suite, Arch: "amd64", Keyring: r.keyring, Mirror: "file://" + dir, SecurityMirror: NoMirror}
		if want == "" {
			want = b.Mirror
		}
		must(t, b.Check())
		f := &Fetcher{Cache: t.TempDir(), SkipOwners: true}
		res, err := f.Resolve(t.Context(), b, Host{HTTPProxy: "http://127.0.0.1:1"}, testNow)
		must(t, err)
		must(t, f.Fetch(t.Context(), res))
		if got := strings.Fields(res.Sources)[1]; got != want {
			t.Errorf("%s: got %s, want %s", suite, got, want)
		}
		step, err := b.AptFiles(Host{}, res.Without, "")
		must(t, err)
		if diff := cmp.Diff(step.Dirs, map[string]string{RunDir + "/mirror": dir}); diff != "" {
			t.Errorf("directories (got, want):\n%s", diff)
		}
		aptUpdate(t, step, r.keyring)
		b.Mirror = "file://" + filepath.Join(dir, "none")
		if _, err := f.Resolve(t.Context(), b, Host{}, testNow); err == nil || !strings.Contains(err.Error(), "none") || len(f.Cache) == 0 {
			t.Errorf("got %v", err)
		}
	}
}

// Ubuntu has its own mirrors, an archive of its own for ports, and its own keys.
func TestUbuntu(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{name: "noble", archive: "/ubuntu"}, debtest.Base()...)
	r.suite(suiteSpec{name: "noble-updates", archive: "/ubuntu", codename: "noble"})
	r.suite(suiteSpec{name: "noble-security", archive: "/ubuntu", codename: "noble"}, debtest.Deb{Name: "mawk", Version: "1.3+0ubuntu1", Fields: "Provides: awk\n"})
	root := t.TempDir()
	writeFiles(t, root, map[string]string{
		"etc/apt/sources.list.d/ubuntu.sources": "Types: deb\nURIs: " + r.server.URL + "/ubuntu/\nSuites: noble noble-updates noble-security\n" +
			"Components: main universe\nSigned-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n",
		"usr/share/keyrings/ubuntu-archive-keyring.gpg": readText(t, r.keyring),
		"etc/apt/sources.list":                          "deb http://debian.example/debian bookworm main\n",
	})
	h, err := ReadHost(root, func(string) string { return "" })
	must(t, err)
	b := Bootstrap{Suite: "noble", Arch: "amd64"}
	res, err := r.fetcher(t).Resolve(t.Context(), b, h, testNow)
	must(t, err)
	want := "deb http://archive.ubuntu.com/ubuntu noble main\ndeb http://archive.ubuntu.com/ubuntu noble-updates main\n" +
		"deb http://security.ubuntu.com/ubuntu noble-security main\n"
	if res.Sources != want || res.Packages[0].Version != "1.3+0ubuntu1" || !res.MergedUsr {
		t.Errorf("got %s and %+v", res.Sources, res.Packages[0])
	}
	ports, err := Bootstrap{Suite: "noble", Arch: "arm64"}.archives(h)
	must(t, err)
	if got, want := ports[2].URL, "http://ports.ubuntu.com/ubuntu-ports"; got != want {
		t.Errorf("arm64 is read from %s, want %s", got, want)
	}
	env := map[string]string{EnvMirror: "http://d.example/debian", EnvUbuntuMirror: "http://u.example/ubuntu-ports", EnvUbuntuSecurityMirror: NoMirror}
	h, err = ReadHost(root, func(n string) string { return env[n] })
	must(t, err)
	ports, err = Bootstrap{Suite: "noble", Arch: "arm64"}.archives(h)
	must(t, err)
	if len(ports) != 2 || ports[0].URL != "http://u.example/ubuntu-ports" {
		t.Errorf("got %+v", ports)
	}
	_, err = (&Fetcher{Cache: t.TempDir()}).Resolve(t.Context(), b, Host{Keyrings: []string{r.keyring}}, testNow)
	if ms := AsMistakes(err); len(ms) != 1 || !strings.Contains(ms[0].Hint, "ubuntu-keyring") {
		t.Errorf("without Ubuntu's keyring: got %v", err)
	}
}

// The smallest variant has no apt, so additional packages are unpacked with the
// rest.
func TestVariantEssential(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, append(debtest.Base(), debtest.Deb{Name: "hello", Version: "1", Fields: "Depends: libhello\n"}, debtest.Deb{Name: "libhello", Version: "1"})...)
	b := r.bootstrap()
	b.Variant = "essential"
	res, err := r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow)
	must(t, err)
	if diff := cmp.Diff(names(res), []string{"mawk/essential", "base-files/essential"}); diff != "" {
		t.Errorf("packages (got, want):\n%s", diff)
	}
	b.Packages = []string{"hello"}
	res, err = r.fetcher(t).Resolve(t.Context(), b, Host{}, testNow)
	must(t, err)
	if diff := cmp.Diff(names(res), []string{"mawk/essential", "base-files/essential", "libhello/required/auto", "hello/required"}); diff != "" {
		t.Errorf("packages (got, want):\n%s", diff)
	}
	if s := res.InstallScript(); s != "" {
		t.Errorf("apt would install %s", s)
	}
	b.Packages = []string{"hello:i386"}
	if ms := AsMistakes(b.Check()); len(ms) != 1 || ms[0].Attr != "packages" {
		t.Errorf("another architecture: got %v", ms)
	}
}

// A package that cannot be installed is reported at its word, with the chain of
// dependencies that leads to the reason.
func TestPackagesThatCannotBeInstalled(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, append(debtest.Base(), debtest.Deb{Name: "a", Version: "1", Fields: "Depends: b\n"}, debtest.Deb{Name: "b", Version: "1", Fields: "Depends: c\n"})...)
	_, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap("apt", "a=1"), Host{}, testNow)
	ms := AsMistakes(err)
	if len(ms) != 1 || ms[0].Attr != "packages" || ms[0].Value != "a=1" || strings.Contains(ms[0].Text, "\n") || ms[0].Hint != "b is needed by a; a was asked for" {
		t.Errorf("got %+v", err)
	}
}

// Several packages that do not exist are reported at once.
func TestMissingPackages(t *testing.T) {
	r := newRepo(t)
	r.suite(suiteSpec{}, debtest.Base()...)
	_, err := r.fetcher(t).Resolve(t.Context(), r.bootstrap("mawkk", "apt", "apt=9", "nope"), Host{}, testNow)
	var got []string
	for _, m := range AsMistakes(err) {
		got = append(got, m.Attr+" "+m.Value+": "+m.Text)
	}
	want := []string{
		`packages mawkk: package "mawkk" is not in sid (amd64)`, "packages apt=9: package apt: there is no version 9, only 2.6",
		`packages nope: package "nope" is not in sid (amd64)`,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("mistakes (got, want):\n%s", diff)
	}
}
