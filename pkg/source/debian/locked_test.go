// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/source/debian/debtest"
)

// TestLocked resolves on one host, publishes other packages there, and uses the
// lock on another host, whose mirror has both.
func TestLocked(t *testing.T) {
	hello := debtest.Deb{Name: "hello", Version: "1", Fields: "Priority: optional\n"}
	here, there := newRepo(t), newRepo(t)
	here.suite(suiteSpec{}, append(debtest.Base(), hello)...)
	there.suite(suiteSpec{}, append(debtest.Base(), hello)...)
	b := Bootstrap{Suite: "sid", Arch: "amd64", Packages: []string{"hello"}, Keyring: here.keyring}
	first, err := here.fetcher(t).Resolve(t.Context(), b, Host{Mirror: here.server.URL + "/debian"}, testNow)
	must(t, err)
	data, err := json.Marshal(first.Lock(b))
	must(t, err)
	if strings.Contains(string(data), "127.0.0.1") {
		t.Errorf("the lock names this host's mirror: %s", data)
	}
	newer := hello
	newer.Version = "2"
	there.suite(suiteSpec{}, append(debtest.Base(), newer)...) // the older package stays in the pool
	host := Host{Mirror: there.server.URL + "/debian"}
	b.Keyring = there.keyring
	var l Locked
	must(t, json.Unmarshal(data, &l))
	if !l.IsOf(b) {
		t.Error("the lock is not taken for what it is of")
	}
	got, err := l.Resolution(b, host)
	must(t, err)
	if got.Digest() != first.Digest() {
		t.Errorf("digest %s from the lock, %s before", got.Digest(), first.Digest())
	}
	if diff := cmp.Diff(names(got), names(first)); diff != "" {
		t.Errorf("packages (-got +want):\n%s", diff)
	}
	f := there.fetcher(t)
	must(t, f.Fetch(t.Context(), got))
	if there.count(poolPath(hello)) != 1 || there.count(poolPath(newer)) != 0 {
		t.Errorf("fetched %d of the locked and %d of the newer package", there.count(poolPath(hello)), there.count(poolPath(newer)))
	}
	moved, err := f.Resolve(t.Context(), b, host, testNow)
	must(t, err)
	if moved.Digest() == got.Digest() {
		t.Error("the archive has not moved: this test shows nothing")
	}
}

func TestLockedSuites(t *testing.T) {
	const url, security = "http://127.0.0.1:1/debian", "http://127.0.0.1:1/security"
	b := Bootstrap{Suite: "bookworm", Arch: "amd64"}
	r := &Resolution{
		Releases: []Release{{Suite: "bookworm", URL: url}, {Suite: "bookworm-updates", URL: url}, {Suite: "bookworm-security", URL: security}},
		Packages: []Package{
			{Name: "a", Version: "1", Arch: "all", Role: Required, Auto: true, URL: security, Filename: "pool/a.deb", Size: 3, Sum: strings.Repeat("a", 64)},
			{Name: "b", Version: "1", Arch: "all", Role: Essential, URL: url, Filename: "pool/b.deb", Size: 3, Sum: strings.Repeat("b", 64)},
		},
	}
	l := r.Lock(b)
	want := []string{
		"a 1 all required,auto bookworm-security 3 " + strings.Repeat("a", 64) + " pool/a.deb",
		"b 1 all essential bookworm 3 " + strings.Repeat("b", 64) + " pool/b.deb",
	}
	if diff := cmp.Diff(l.Packages, want); diff != "" {
		t.Errorf("packages (-got +want):\n%s", diff)
	}
	got, err := l.Resolution(b, Host{SecurityMirror: "http://127.0.0.1:2/s"})
	must(t, err)
	if got.Packages[0].URL != "http://127.0.0.1:2/s" || !got.Packages[0].Auto || got.Packages[0].Role != Required {
		t.Errorf("package %+v", got.Packages[0])
	}
	if want := "deb http://ftp.debian.org/debian bookworm main\ndeb http://ftp.debian.org/debian bookworm-updates main\ndeb http://ftp.debian.org/debian-security bookworm-security main\n"; got.Sources != want {
		t.Errorf("sources %q, want %q", got.Sources, want)
	}
	if _, err := l.Resolution(b, Host{SecurityMirror: NoMirror}); err == nil || !strings.Contains(err.Error(), "bookworm-security, which this host's settings leave out") {
		t.Errorf("without security updates: %v", err)
	}
}

func TestLockedIsOf(t *testing.T) {
	b := Bootstrap{Suite: "bookworm", Arch: "amd64", Packages: []string{"a"}}
	l := (&Resolution{}).Lock(b)
	for name, change := range map[string]func(*Bootstrap){
		"suite": func(b *Bootstrap) { b.Suite = "sid" }, "arch": func(b *Bootstrap) { b.Arch = "armhf" }, "variant": func(b *Bootstrap) { b.Variant = "apt" },
		"components": func(b *Bootstrap) { b.Components = []string{"main", "contrib"} }, "packages": func(b *Bootstrap) { b.Packages = []string{"b"} },
		"mirror": func(b *Bootstrap) { b.Mirror = "http://x" }, "security": func(b *Bootstrap) { b.SecurityMirror = NoMirror },
		"snapshot": func(b *Bootstrap) { b.Snapshot = "20260101T000000Z" },
	} {
		other := b
		change(&other)
		if l.IsOf(other) {
			t.Errorf("with another %s it is the same", name)
		}
	}
	same := b
	same.Variant, same.Components, same.Keyring = "minbase", []string{"main"}, "/k"
	if !l.IsOf(same) {
		t.Error("with the defaults written out, and another keyring, it is not the same")
	}
}

// A lock file is text that people merge and edit.
func TestLockedDamaged(t *testing.T) {
	hash := strings.Repeat("a", 64)
	for _, line := range []string{
		"", "a", "a 1 all required sid 3 " + hash, "a 1 all required sid 3 " + hash + " pool/a b", "a 1 all required sid -3 " + hash + " pool/a",
		"a 1 all required sid 99999999999999999999 " + hash + " pool/a", "a 1 all none sid 3 " + hash + " pool/a", "a 1 all extra sid 3 " + hash + " pool/a",
		"a 1 all required other 3 " + hash + " pool/a", "a 1 all required sid 3 " + hash[1:] + " pool/a", "a 1 all required sid 3 " + hash + " /pool/a",
		"a 1 all required sid 3 " + hash + " pool/../../a", "a; 1 all required sid 3 " + hash + " pool/a", "a $(x) all required sid 3 " + hash + " pool/a",
		"a 1 -x required sid 3 " + hash + " pool/a",
	} {
		l := Locked{Releases: []LockedRelease{{Suite: "sid"}}, Packages: []string{line}}
		if _, err := l.Resolution(Bootstrap{Suite: "sid"}, Host{}); err == nil {
			t.Errorf("line %q was taken", line)
		}
	}
	if _, err := (Locked{}).Resolution(Bootstrap{Suite: "sid"}, Host{}); err == nil {
		t.Error("a lock without releases was taken")
	}
}
