// SPDX-License-Identifier: MPL-2.0

package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestConcurrent: several caches use one directory, as several builds do.
func TestConcurrent(t *testing.T) {
	o := variedOrigin(t)
	first := newCache(t)
	var all sync.WaitGroup
	errs, dirs := make([]error, 6), make([]string, 6)
	top := t.TempDir()
	for i := range errs {
		all.Go(func() {
			c := &Cache{Dir: first.Dir, Env: first.Env}
			dirs[i] = filepath.Join(top, fmt.Sprint(i))
			p, err := c.Resolve(t.Context(), Tree{o.bare, []string{"main", "other", "light"}[i%3]})
			if err == nil {
				err = c.Ensure(t.Context(), []Pinned{p})
			}
			if err == nil {
				err = c.Checkout(t.Context(), p, dirs[i], CheckoutOptions{Branch: "b"})
			}
			errs[i] = err
		})
	}
	all.Wait()
	for i, err := range errs {
		must(t, err)
		if got := o.run(dirs[i], "git", "status", "--porcelain"); got != "" {
			t.Errorf("%d: status: %s", i, got)
		}
	}
	if diff := cmp.Diff(listTree(t, dirs[0])[3:], listTree(t, dirs[3])[3:]); diff != "" && !strings.Contains(diff, ".git") {
		t.Errorf("two of one commit: %s", diff)
	}
}

// TestWaitsForOtherBuild: a build that needs a mirror on which another build works
// waits, and its context can end the wait.
func TestWaitsForOtherBuild(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	m, err := c.mirror(o.bare)
	must(t, err)
	lock, err := m.hold(t.Context(), ".lock", true)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	c.Events = func(e Event) {
		if strings.Contains(e.Note, "waiting for another build") {
			cancel()
		}
	}
	if _, err := c.Resolve(ctx, Tree{o.bare, o.git("rev-parse", "HEAD")}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v, want that it waits", err)
	}
	must(t, lock.Close())
	get(t, c, o.bare, "main", CheckoutOptions{})
}

// objects are the object files of a mirror.
func objects(t *testing.T, c *Cache, url string) []string {
	t.Helper()
	m, err := c.mirror(url)
	must(t, err)
	var files []string
	must(t, filepath.WalkDir(filepath.Join(m.dir(), "objects"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// TestDamagedMirror: any missing or wrong file is noticed and fetched again.
func TestDamagedMirror(t *testing.T) {
	o := variedOrigin(t)
	id := o.git("rev-parse", "main")
	for name, damage := range map[string]func(*testing.T, *Cache){
		"packs removed": func(t *testing.T, c *Cache) {
			for _, f := range objects(t, c, o.bare) {
				if strings.HasSuffix(f, ".pack") || strings.HasSuffix(f, ".idx") {
					must(t, os.Remove(f))
				}
			}
		},
		"a pack cut": func(t *testing.T, c *Cache) {
			for _, f := range objects(t, c, o.bare) {
				if strings.HasSuffix(f, ".pack") {
					must(t, os.Chmod(f, 0o600))
					must(t, os.Truncate(f, 100))
				}
			}
		},
		"bits flipped": func(t *testing.T, c *Cache) {
			for _, f := range objects(t, c, o.bare) {
				if strings.HasSuffix(f, ".pack") {
					must(t, os.Chmod(f, 0o600))
					data, err := os.ReadFile(f)
					must(t, err)
					for i := 20; i < len(data)-20; i += 7 {
						data[i] ^= 0x10
					}
					must(t, os.WriteFile(f, data, 0o600))
				}
			}
		},
		"an object removed": func(t *testing.T, c *Cache) {
			m, err := c.mirror(o.bare)
			must(t, err)
			blob := o.git("rev-parse", "main:run.sh")
			o.run(m.dir(), "sh", "-c", "mkdir x; mv objects/pack/* x; for p in x/*.pack; do git unpack-objects -q <$p; done; rm -rf x objects/"+blob[:2]+"/"+blob[2:])
		},
		"no HEAD":   func(t *testing.T, c *Cache) { removeIn(t, c, o.bare, "HEAD") },
		"no config": func(t *testing.T, c *Cache) { removeIn(t, c, o.bare, "config") },
		"no refs":   func(t *testing.T, c *Cache) { removeIn(t, c, o.bare, "refs") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t)
			p, err := c.Resolve(t.Context(), Tree{o.bare, id})
			must(t, err)
			damage(t, c)
			dir := filepath.Join(t.TempDir(), "tree")
			if err := c.Ensure(t.Context(), []Pinned{p}); err != nil {
				t.Fatal(err)
			}
			must(t, c.Checkout(t.Context(), p, dir, CheckoutOptions{}))
			damage(t, c)
			if files, err := c.Files(t.Context(), p); err != nil || len(files) != 7 {
				t.Errorf("got %d files, %v, want 7", len(files), err)
			}
			o.run(dir, "git", "fsck", "--full", "--strict")
			if got := o.run(dir, "git", "status", "--porcelain"); got != "" {
				t.Errorf("status: %s", got)
			}
			must(t, c.Ensure(t.Context(), []Pinned{{URL: o.bare, Commit: o.git("rev-parse", "other")}}))
		})
	}
}

func removeIn(t *testing.T, c *Cache, url, name string) {
	t.Helper()
	m, err := c.mirror(url)
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(m.dir(), name)))
}

// TestLeftovers: files left by a dead process are removed by the next fetch.
func TestLeftovers(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	get(t, c, o.bare, "main", CheckoutOptions{})
	m, err := c.mirror(o.bare)
	must(t, err)
	left := []string{m.dir() + "/objects/pack/tmp_pack_x", m.dir() + "/packed-refs.lock", m.dir() + "/refs/heads/main.lock", m.base + ".tmp/x", m.base + ".old/x"}
	for _, f := range left {
		must(t, os.MkdirAll(filepath.Dir(f), 0o700))
		must(t, os.WriteFile(f, nil, 0o600))
	}
	o.commit("x", "1\n")
	o.push()
	get(t, c, o.bare, "main", CheckoutOptions{})
	for _, f := range left {
		if _, err := os.Lstat(f); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
}

// TestPacksArePruned: of many commits, the packs of only a few are kept.
func TestPacksArePruned(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	for i := range 6 {
		o.commit("x", fmt.Sprint(i))
		o.push()
		get(t, c, o.bare, "main", CheckoutOptions{})
	}
	dirs, err := filepath.Glob(filepath.Join(c.Dir, "packs", "*[0-9a-f]"))
	must(t, err)
	if len(dirs) != packsKept {
		t.Errorf("got %d packs, want %d: %q", len(dirs), packsKept, dirs)
	}
}

// TestUnits: each part of a cache can be removed, unless it is in use, and is
// fetched again.
func TestUnits(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	o.commit("x", "1")
	o.push()
	get(t, c, o.bare, "main", CheckoutOptions{})
	units, err := c.Units()
	must(t, err)
	if len(units) != 2 || !strings.HasSuffix(units[0].Path, ".git") || units[0].Size == 0 || time.Since(units[1].Used) > time.Minute {
		t.Fatalf("units: %+v", units)
	}
	use, err := tryHold(strings.TrimSuffix(units[0].Path, ".git")+".use", false)
	must(t, err)
	must(t, units[0].Remove())
	if _, err := os.Lstat(units[0].Path); err != nil {
		t.Error("it was in use:", err)
	}
	must(t, use.Close())
	for range 2 {
		for _, u := range units {
			must(t, u.Remove())
			if _, err := os.Lstat(u.Path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is still there: %v", u.Path, err)
			}
		}
	}
	get(t, c, o.bare, "main", CheckoutOptions{})
}

// TestEndsWithContext: all processes of a fetch end with ctx, and the next one
// works.
func TestEndsWithContext(t *testing.T) {
	o := newOrigin(t)
	script := filepath.Join(t.TempDir(), "ssh")
	pid := script + ".pid"
	must(t, os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\necho $$ >"+pid+".new; mv "+pid+".new "+pid+"\nwhile :; do sleep 0.1; done\n"), 0o755))
	c := newCache(t)
	c.Env = append(c.Env, "GIT_SSH="+script, "GIT_SSH_VARIANT=simple")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(pid); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	_, err := c.Resolve(ctx, Tree{"ssh://git.example.org/x", "main"})
	if err == nil || ctx.Err() == nil {
		t.Errorf("got %v, want an end by ctx", err)
	}
	data, err := os.ReadFile(pid)
	must(t, err)
	for range 200 {
		if exec.Command("kill", "-0", strings.TrimSpace(string(data))).Run() != nil {
			get(t, c, o.bare, "main", CheckoutOptions{})
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a child is still there")
}
