// SPDX-License-Identifier: MPL-2.0

package git

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/dirtest"
	"github.com/carosio/carosbuild/pkg/netfault"
)

// TestBundle: a cache that asks no server takes commits from bundles, and checks out the
// same as from the server; and it says what it lacks.
func TestBundle(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) { testBundle(t, newOrigin(t, "--object-format="+format)) })
	}
}

func testBundle(t *testing.T, o *origin) {
	first := o.git("rev-parse", "HEAD")
	o.git("tag", "-a", "-m", "x", "v1")
	second := o.commit("a/b", "2\n")
	third := o.commit("c", "3\n")
	o.push()
	server, _ := serveHTTP(t, o)
	url := strings.Replace(server.URL, "http://", "http://joe:s3cret%2F%40@", 1) + "/tree.git"
	epoch := int64(1600000000)
	online, dir := newCache(t), t.TempDir()
	var mu sync.Mutex
	var fetched []string
	online.Fetched = func(url, commit string) {
		mu.Lock()
		defer mu.Unlock()
		fetched = append(fetched, url+" "+commit)
	}
	want := filepath.Join(t.TempDir(), "want")
	pin := Pinned{URL: url, Revision: second, Commit: second}
	must(t, online.Ensure(t.Context(), []Pinned{pin}))
	must(t, online.Checkout(t.Context(), pin, want, CheckoutOptions{Epoch: &epoch}))
	if diff := cmp.Diff([]string{redact(url) + " " + second}, fetched); diff != "" {
		t.Error(diff)
	}
	name, err := online.Bundle(t.Context(), url, []string{second, first}, dir)
	must(t, err)

	closed := newCache(t)
	closed.Closed = true
	pins := []Pinned{{URL: url, Commit: first}, pin, {URL: url, Commit: third}}
	lacking, err := closed.Lacking(t.Context(), pins)
	if err != nil || len(lacking) != 3 || strings.Contains(lacking[0].URL, "@") {
		t.Errorf("lacking: %v, %v", lacking, err)
	}
	if err := closed.Ensure(t.Context(), pins); !netfault.Is(err) {
		t.Errorf("got %v", err)
	}
	if _, err := closed.Resolve(t.Context(), Tree{url, "main"}); !netfault.Is(err) {
		t.Errorf("got %v", err)
	}
	closed.Bundles = dir
	lacking, err = closed.Lacking(t.Context(), pins)
	if err != nil || len(lacking) != 1 || lacking[0].Commit != third {
		t.Errorf("lacking: %v, %v", lacking, err)
	}
	must(t, closed.Ensure(t.Context(), pins[:2]))
	if err := closed.Ensure(t.Context(), pins); !netfault.Is(err) || !strings.Contains(err.Error(), "--offline") {
		t.Errorf("got %v", err)
	}
	got := filepath.Join(t.TempDir(), "got")
	must(t, closed.Checkout(t.Context(), pin, got, CheckoutOptions{Epoch: &epoch}))
	if diff := cmp.Diff(dirtest.Listed(t, want), dirtest.Listed(t, got)); diff != "" {
		t.Error(diff)
	}
	hostileBundles(t, o, url, filepath.Join(dir, name), second)
}

// hostileBundles tries bundles that are not what they should be.
func hostileBundles(t *testing.T, o *origin, url, file, commit string) {
	good, err := os.ReadFile(file)
	must(t, err)
	flipped := slices.Clone(good)
	flipped[len(flipped)-30] ^= 1
	for name, make := range map[string]func(path string) error{
		"flipped": func(path string) error { return os.WriteFile(path, flipped, 0o600) },
		"cut":     func(path string) error { return os.WriteFile(path, good[:len(good)/2], 0o600) },
		"text":    func(path string) error { return os.WriteFile(path, []byte("refs/keep/"+commit), 0o600) },
		"gitfile": func(path string) error {
			return os.WriteFile(path, []byte("gitdir: "+o.bare+" refs/keep/"+commit+"\n"), 0o600)
		},
		"gitdir":    func(path string) error { return os.WriteFile(path, []byte("gitdir: "+o.bare+"\n"), 0o600) },
		"directory": func(path string) error { return os.CopyFS(path, os.DirFS(o.bare)) },
		"link":      func(path string) error { return os.Symlink(o.bare, path) },
	} {
		c := newCache(t)
		c.Closed, c.Bundles = true, t.TempDir()
		must(t, make(filepath.Join(c.Bundles, filepath.Base(file))))
		err := c.Ensure(t.Context(), []Pinned{{URL: url, Commit: commit}})
		if err == nil || !strings.Contains(err.Error(), filepath.Base(file)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
