// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"errors"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/decl/decltest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/layer"
	ociregistry "github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// newImage is an image with other content than any before it.
func newImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(64, 1)
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// push makes a registry's tag point to a new image.
func push(t *testing.T, ref string) {
	t.Helper()
	tag, err := name.NewTag(ref, name.Insecure)
	if err == nil {
		err = remote.Write(tag, newImage(t))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newHost is a resolver on another host: nothing is pinned there, and its mirrors
// do not answer.
func newHost(t *testing.T, mirror string) *Resolver {
	t.Helper()
	return &Resolver{
		Pins: Pins{Dir: t.TempDir()}, Registry: ociregistry.Client{Store: layer.Paths{GraphRoot: t.TempDir()}, Env: func(string) string { return "" }},
		Fetcher: &debian.Fetcher{Cache: t.TempDir(), Backoff: time.Millisecond}, Host: debian.Host{Mirror: mirror, Keyrings: []string{"/none"}},
		Arch: "amd64", Now: time.Now,
	}
}

const hash = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// lockedSid is a bootstrap in a lock file.
func lockedSid(version string) debian.Locked {
	return debian.Locked{
		Suite: "sid", Arch: "amd64", Variant: "minbase", Components: []string{"main"},
		Releases: []debian.LockedRelease{{Suite: "sid", Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
		Packages: []string{"apt " + version + " amd64 required sid 3 " + hash + " pool/apt.deb"},
	}
}

// TestLock writes a lock file on one host and resolves on two others, after the
// registry has changed: all get the same keys.
func TestLock(t *testing.T) {
	srv := httptest.NewServer(registry.New())
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	tag := u.Host + "/team/base:latest"
	push(t, tag)
	d := decltest.Parse(t, `<buildstage id="s"><action>FROM `+tag+`</action><action>RUN x</action></buildstage>
		<buildstage id="d"><bootstrap suite="sid"/><action>RUN y</action></buildstage>
		<buildstage id="n"><action>FROM scratch</action><action>RUN z</action></buildstage>`)
	targets := []string{"s", "d", "n"}
	first := newHost(t, "http://127.0.0.1:1/a")
	first.Lock = &Lock{Version: 1, Bootstraps: []debian.Locked{lockedSid("1")}}
	path := filepath.Join(t.TempDir(), "a.xml.lock")
	keysOf := func(r *Resolver) string {
		t.Helper()
		res, err := r.Resolve(t.Context(), d, targets)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.NewPlan(d, targets, res.Facts)
		if err != nil {
			t.Fatal(err)
		}
		l, err := res.Lock(d, targets)
		if err != nil {
			t.Fatal(err)
		}
		if r == first {
			if err := l.Write(path); err != nil {
				t.Fatal(err)
			}
		} else if !l.Within(r.Lock) && r.Lock != nil {
			t.Errorf("what was resolved is not what is locked: %+v", l)
		}
		return p.Stages[0].Key + p.Stages[1].Key + p.Stages[2].Key
	}
	want := keysOf(first)
	push(t, tag)
	for _, mirror := range []string{"http://127.0.0.1:1/b", "http://127.0.0.1:1/c"} {
		r := newHost(t, mirror)
		if r.Lock, err = ReadLock(path); err != nil {
			t.Fatal(err)
		}
		r.Locked = mirror == "http://127.0.0.1:1/c"
		if got := keysOf(r); got != want {
			t.Errorf("another host with %s comes to other keys", mirror)
		}
	}
	// A lock written again is the same, byte for byte; a changed one is not within
	// the old one.
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	first.Lock, first.Pins = &Lock{Version: 1, Bootstraps: old.Bootstraps}, Pins{Dir: t.TempDir()}
	if got := keysOf(first); got == want {
		t.Error("the registry has not moved: this test shows nothing")
	}
	if moved, err := ReadLock(path); err != nil || moved.Within(old) {
		t.Errorf("the moved lock is taken for the old one (%v)", err)
	}
	if err := old.Write(path); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(after), string(before)); diff != "" {
		t.Errorf("written again (-got +want):\n%s", diff)
	}
}

// TestLocked reports everything that the lock file does not have, at once.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	lay, err := layout.Write(filepath.Join(dir, "lay"), empty.Index)
	if err == nil {
		err = lay.AppendImage(newImage(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	d := decltest.Parse(t, `<buildstage id="s"><action>FROM registry.example.org/base:1</action></buildstage>
		<buildstage id="d"><bootstrap suite="sid" packages="more"/></buildstage>
		<buildstage id="n"><action>FROM scratch</action></buildstage>
		<buildstage id="l"><action>FROM oci:`+dir+`/lay</action></buildstage>`)
	r := newHost(t, "http://127.0.0.1:1/a")
	r.Locked, r.Lock = true, &Lock{
		Version: 1, Bootstraps: []debian.Locked{lockedSid("1")},
		Images: []LockedImage{{"registry.example.org/base:1", "arm64", "x@sha256:" + hash}, {"oci:" + dir + "/lay", "amd64", "sha256:" + hash}},
	}
	_, err = r.Resolve(t.Context(), d, []string{"s", "d", "n", "l"})
	var de *finding.ListError
	if !errors.As(err, &de) {
		t.Fatalf("error %v", err)
	}
	var got []string
	for _, f := range de.Findings {
		got = append(got, strings.NewReplacer(dir, "DIR", hash, "HASH").Replace(f.Summary))
	}
	if len(got) == 3 {
		got[2] = got[2][:len("image oci:DIR/lay is sha256:")] + "..." + got[2][strings.Index(got[2], " here"):]
	}
	want := []string{
		"image registry.example.org/base:1 is not in the lock file", "bootstrap sid is not in the lock file",
		"image oci:DIR/lay is sha256:... here, and sha256:HASH in the lock file",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("findings (-got +want):\n%s", diff)
	}
	// Without Locked a missing entry is only noted, and what cannot be looked up is
	// an error of its own.
	var notes []string
	r.Locked, r.Note = false, func(stage, text string) { notes = append(notes, stage+": "+strings.Fields(text)[0]) }
	if _, err := r.Resolve(t.Context(), d, []string{"l"}); err != nil {
		t.Error(err)
	}
	if _, err := r.Resolve(t.Context(), d, []string{"d"}); err == nil {
		t.Error("a bootstrap that is not locked came from a mirror that does not answer")
	}
	if diff := cmp.Diff(notes, []string{"l: image", "d: bootstrap"}); diff != "" {
		t.Errorf("notes (-got +want):\n%s", diff)
	}
	r.Lock, notes = nil, nil
	if _, err := r.Resolve(t.Context(), d, []string{"l"}); err != nil || notes != nil {
		t.Errorf("without a lock file: %v, %v", err, notes)
	}
}

// An image on this machine is locked by its digest, wherever it is.
func TestLockOfLayout(t *testing.T) {
	dir := t.TempDir()
	d := decltest.Parse(t, `<buildstage id="l"><action>FROM oci:lay</action></buildstage>`)
	d.Stages[0].Dirs = []string{dir}
	if _, err := layout.Write(filepath.Join(dir, "lay"), mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: newImage(t)})); err != nil {
		t.Fatal(err)
	}
	r := newHost(t, "")
	res, err := r.Resolve(t.Context(), d, []string{"l"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := res.Lock(d, []string{"l"})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Images[0]; got.Name != "oci:lay" || strings.Contains(got.Digest, dir) {
		t.Errorf("locked as %+v", got)
	}
	moved := t.TempDir()
	if err := os.CopyFS(moved, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	d.Stages[0].Dirs = []string{moved}
	r.Lock, r.Locked = l, true
	if _, err := r.Resolve(t.Context(), d, []string{"l"}); err != nil {
		t.Errorf("the same image elsewhere: %v", err)
	}
}

// The order of entries does not depend on the declaration, and any changed value is
// a difference.
func TestLockOrder(t *testing.T) {
	dir := t.TempDir()
	images := []LockedImage{{"a", "amd64", "x@sha256:" + hash}, {"a", "arm64", "x@sha256:" + hash}, {"b", "amd64", "x@sha256:" + hash}}
	more := lockedSid("1")
	more.Wanted = []string{"more"}
	one := &Lock{Version: 1, Images: images, Bootstraps: []debian.Locked{lockedSid("1"), more}}
	two := &Lock{Version: 1, Images: []LockedImage{images[2], images[1], images[0]}, Bootstraps: []debian.Locked{more, lockedSid("1")}}
	var texts []string
	for i, l := range []*Lock{one, two} {
		path := filepath.Join(dir, string(rune('a'+i)))
		if err := l.Write(path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(data))
	}
	if diff := cmp.Diff(texts[1], texts[0]); diff != "" {
		t.Errorf("in another order (-got +want):\n%s", diff)
	}
	if !one.Within(two) || !two.Within(one) {
		t.Error("the same locks differ")
	}
	later := lockedSid("1")
	later.Releases = []debian.LockedRelease{{Suite: "sid", Date: time.Date(2026, 2, 2, 3, 4, 5, 0, time.UTC)}}
	for name, l := range map[string]*Lock{
		"an image less": {Images: images[:2], Bootstraps: one.Bootstraps}, "a bootstrap less": {Images: images, Bootstraps: one.Bootstraps[:1]},
		"another package": {Images: images, Bootstraps: []debian.Locked{lockedSid("2"), more}},
		"another date":    {Images: images, Bootstraps: []debian.Locked{later, more}},
		"another digest":  {Images: append([]LockedImage{{"a", "amd64", "y@sha256:" + hash}}, images[1:]...), Bootstraps: one.Bootstraps},
	} {
		if one.Within(l) {
			t.Errorf("%s is not a difference", name)
		}
	}
	if (&Lock{Git: map[string]LockedGit{"u r": {Commit: "1"}}}).Within(&Lock{Git: map[string]LockedGit{"u r": {Commit: "2"}}}) {
		t.Error("another commit is not a difference")
	}
}

func TestReadLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "l")
	if _, err := ReadLock(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{
		``: "unexpected end", `{}`: "version 0, but this program reads version 1", `{"version": 2, "new": 1}`: "version 2", `[]`: "cannot be used",
		`{"version": 1, "imagse": []}`: `unknown field "imagse"`, `{"version": 1, "images": [{"name": "a", "digest": "latest"}]}`: `"latest" of image a is not a digest`,
		`{"version": 1, "images": [{"name": "a", "digest": "oci:/etc@sha256:` + hash + `\n"}]}`: "is not a digest", `{"version": 1, "git": {"u r": {"commit": "--x"}}}`: `"--x" of u r is not a commit`,
		`{"version": 1, "images": [{"name": "a", "digest": "-x@sha256:` + hash + `"}]}`: "is not a digest",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLock(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Repeat(" ", maxLock+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLock(path); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file too large: %v", err)
	}
}

// The exemption of stored images is for what --upgrade names, which is an id.
func TestLockable(t *testing.T) {
	for name, want := range map[string]bool{"scratch": false, "containers-storage:@" + hash: false, "containers-storage:x": true, "localhost/x": true, "busybox": true} {
		if got := lockable(name); got != want {
			t.Errorf("lockable(%s) = %v", name, got)
		}
	}
}
