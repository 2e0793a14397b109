// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// created is the time that images and layers carry.
func (e *Engine) created() time.Time {
	if e.Epoch != nil {
		return time.Unix(*e.Epoch, 0).UTC()
	}
	return e.Now().UTC()
}

// change runs f on a snapshot of the current layer and commits what it changed.
func (r *stageRun) change(ctx context.Context, s *plan.StepPlan, f func(w *layer.Working) error) error {
	w, err := r.Store.Prepare(ctx, r.state.Layer)
	if err != nil {
		return err
	}
	if err := f(w); err != nil {
		return errors.Join(err, w.Discard())
	}
	l, changed, err := r.Store.Commit(ctx, w, layer.CommitOptions{Clamp: r.Epoch})
	if err != nil {
		return errors.Join(err, w.Discard())
	}
	r.state.Layer = l.ID
	r.addHistory(s, !changed)
	return nil
}

// run is a RUN action.
func (r *stageRun) run(ctx context.Context, s *plan.StepPlan) error {
	args := s.Action.Argv
	if args == nil {
		args = []string{"/bin/sh", "-c", s.Action.Text}
	}
	unlock, err := r.lockCaches(ctx, r.plan.Stage.Caches)
	if err != nil {
		return err
	}
	defer unlock()
	return r.change(ctx, s, func(w *layer.Working) error {
		user, err := runc.LookupUser(w.Root(), r.state.Config.Config.User)
		if err != nil {
			return err
		}
		mounts, err := r.mounts(w.Root(), r.plan.Stage.Caches, user)
		if err != nil {
			return err
		}
		env := r.environment(user)
		apt, err := r.aptFiles()
		if err != nil {
			return err
		}
		if len(apt) > 0 {
			env["APT_CONFIG"] = debian.AptConfig
		}
		return r.command(ctx, s, w, sandboxed{args: args, user: user, mounts: append(mounts, apt...), env: env, network: r.Network})
	})
}

// sandboxed is a command for a snapshot.
type sandboxed struct {
	args    []string
	user    runc.User
	mounts  []runc.Mount
	env     map[string]string
	network runc.Network
	failed  func(*plan.StepError) // completes the error of a command that failed; may be nil

	packages int64 // that it configures, for the progress; 0 where apt says how many
}

// command runs a command in the snapshot and turns a failure into a StepError.
func (r *stageRun) command(ctx context.Context, s *plan.StepPlan, w *layer.Working, c sandboxed) error {
	planted, err := runc.Plant(w.Root(), c.mounts, r.Resolver)
	if err != nil {
		return err
	}
	cwd := r.state.Config.Config.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	packages := &packageWatch{event: r.event, stage: r.plan.ID, total: c.packages}
	r.log.watchPackages(packages.line)
	status, err := r.Runtime.Run(ctx, runc.Step{
		ID: s.Key[:16] + "-" + strconv.Itoa(os.Getpid()), Root: w.Root(), Arch: r.state.Config.Architecture,
		Args: c.args, Env: environ(c.env), Cwd: cwd,
		UID: c.user.UID, GID: c.user.GID, Groups: c.user.Groups, Mounts: c.mounts, Network: c.network, Stdout: r.log, Stderr: r.log,
	})
	r.log.watchPackages(nil)
	packages.end()
	if e := planted.Remove(w.Changes()); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if status != 0 {
		return r.failed(ctx, s, w, status, c.failed)
	}
	return nil
}

// failed is the error for a command that ended with a status; the half-done
// stage becomes an image where that is wanted.
func (r *stageRun) failed(ctx context.Context, s *plan.StepPlan, w *layer.Working, status int, more func(*plan.StepError)) error {
	e := &plan.StepError{Stage: r.plan.ID, Span: s.Span, Kind: s.Kind, Text: s.Text, Status: status, Tail: r.log.tail(), Log: r.log.path()}
	if more != nil {
		more(e)
	}
	if !r.KeepFailed {
		return e
	}
	l, changed, err := r.Store.Commit(ctx, w, layer.CommitOptions{Clamp: r.Epoch})
	if err != nil {
		return errors.Join(e, fmt.Errorf("keep the failed stage: %w", err))
	}
	r.addHistory(s, !changed)
	if e.Image, err = r.Images.Failed(ctx, r.plan.ID, l.ID, r.state.Config); err != nil {
		return errors.Join(e, fmt.Errorf("keep the failed stage: %w", err))
	}
	return e
}

func (r *stageRun) cacheID(c decl.Cache) string {
	if c.ID == "" {
		return key.Of("cache", c.Path)[:32]
	}
	return key.Of("cache", c.ID)[:32]
}

// lockCaches keeps caches to this step: two package managers in one directory
// get in each other's way.
func (r *stageRun) lockCaches(ctx context.Context, caches []decl.Cache) (func(), error) {
	var ids []string
	for _, c := range caches {
		if id := r.cacheID(c); !c.Shared && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids) // everybody in the same order
	var unlock []func()
	undo := func() {
		for _, u := range unlock {
			u()
		}
	}
	for _, id := range ids {
		u, err := r.lock("cache-"+id).take(ctx, func(by string) {
			r.event(progress.Event{Kind: progress.Note, Stage: r.plan.ID, Text: "a cache of the stage is being used by " + by + ": waiting for it"})
		})
		if err != nil {
			undo()
			return nil, fmt.Errorf("lock cache: %w", err)
		}
		unlock = append(unlock, u)
	}
	return undo, nil
}

// mounts are the caches, writable for the user, and the build id in a root that
// has a place for it.
func (r *stageRun) mounts(root string, caches []decl.Cache, user runc.User) ([]runc.Mount, error) {
	var mounts []runc.Mount
	for _, c := range caches {
		dir := filepath.Join(r.CacheDir, "caches", r.cacheID(c))
		err := os.MkdirAll(dir, 0o755)
		if err == nil && user.UID != 0 {
			err = os.Chown(dir, int(user.UID), int(user.GID))
		}
		if err != nil {
			return nil, fmt.Errorf("cache %s: %w", c.Path, err)
		}
		mounts = append(mounts, runc.Mount{Source: dir, Target: c.Path})
	}
	if !r.plan.GitLayers || !hasPlace(root, bitbake.BuildID) { // a step may be about to make one
		return mounts, nil
	}
	file := filepath.Join(r.Scratch, "build-id")
	if err := freshfile.Replace(file, []byte(r.BuildID), 0o644); err != nil { // another stage's step may read it
		return nil, err
	}
	return append(mounts, runc.Mount{Source: file, Target: bitbake.BuildID, ReadOnly: true}), nil
}

// hasPlace reports whether a file can be mounted at a name: in a directory that
// is there, over nothing or a file. A mount would follow a link.
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

// environment is what a command finds: a few defaults, the image's own, and
// nothing of the caller's.
func (r *stageRun) environment(user runc.User) map[string]string {
	env := plan.DefaultEnvironment(user.Home, r.Epoch)
	for _, v := range r.state.Config.Environ() {
		env[v[0]] = v[1]
	}
	return env
}

func environ(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for k, v := range env {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}
