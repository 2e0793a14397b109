// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
	"golang.org/x/sys/unix"
)

// cachesDir is where the caches of stages are.
func cachesDir(cacheDir string) string { return filepath.Join(cacheDir, "caches") }

// cacheID names a cache on this machine.
func cacheID(c plan.Cache) string {
	if c.ID == "" {
		return key.Name("cache", c.Path)[:32]
	}
	return key.Name("cache", c.ID)[:32]
}

// cacheOwners is the policy that sets the owners of caches.
func (l *Local) cacheOwners() owner.Policy {
	if l.CacheOwners == nil {
		return owner.Kernel{}
	}
	return l.CacheOwners
}

// lockCaches locks caches for this step: two package managers in one directory would
// get in each other's way.
func (r *jobRun) lockCaches(ctx context.Context, caches []plan.Cache) (func(), error) {
	var ids []string
	for _, c := range caches {
		if id := cacheID(c); !c.Shared && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // in one order everywhere: no deadlock
	var unlock []func()
	undo := func() {
		for _, u := range unlock {
			u()
		}
	}
	for _, id := range ids {
		u, err := r.lock("cache-"+id).take(ctx, func(by string) {
			if by == r.Holder {
				by = "another stage of this build"
			}
			r.event(progress.Event{Kind: progress.Note, Stage: r.job.ID, Text: "a cache of the stage is in use by " + by + ": waiting for it"})
		})
		if err != nil {
			undo()
			return nil, fmt.Errorf("lock cache: %w", err)
		}
		unlock = append(unlock, u)
	}
	return undo, nil
}

// mounts are the caches, writable by the user, and the build id in a root that has a
// place for it.
func (r *jobRun) mounts(root string, caches []plan.Cache, user sandbox.User) ([]sandbox.Mount, error) {
	var mounts []sandbox.Mount
	for _, c := range caches {
		dir := filepath.Join(cachesDir(r.CacheDir), cacheID(c)+r.CacheSuffix)
		err := os.MkdirAll(dir, 0o755)
		if err == nil && user.UID != 0 {
			err = r.cacheOwners().Chown(unix.AT_FDCWD, dir, int(user.UID), int(user.GID))
		}
		if err != nil {
			return nil, fmt.Errorf("cache %s: %w", c.Path, err)
		}
		mounts = append(mounts, sandbox.Mount{Source: dir, Target: c.Path, Shared: c.Shared})
	}
	if !r.job.GitLayers || !hasPlace(root, bitbake.BuildID) { // a step may be about to make one
		return mounts, nil
	}
	file := filepath.Join(r.Scratch, "build-id")
	if err := freshfile.Replace(file, []byte(r.buildID), 0o644); err != nil { // another stage's step may read it
		return nil, err
	}
	return append(mounts, sandbox.Mount{Source: file, Target: bitbake.BuildID, ReadOnly: true}), nil
}

// hasPlace reports whether a file can be mounted at a name: its directory exists, and
// the name is free or a file. A mount would follow a link.
func hasPlace(root, name string) bool {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	dir, err := openIn(fd, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	return err == unix.ENOENT || err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}
