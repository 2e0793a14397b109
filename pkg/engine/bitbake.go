// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

// eraOf finds out what the base layer in a stage wants. One that is not there
// wants what redomat's did.
func eraOf(c *plan.Conf, root int) bitbake.Era {
	has := func(name string) bool { return statDir(root, bitbake.Dir(c.Layers.Base, name)) }
	mklibs, err := openIn(root, bitbake.Dir(c.Layers.Base, bitbake.MkLibs), unix.O_PATH)
	if err == nil {
		unix.Close(mklibs)
	}
	return bitbake.Era{
		Poky:   !has("meta-yocto") && has("meta-poky"),
		Modern: err == unix.ENOENT && has("meta/classes"),
	}
}

// confFile is a CREATE_BBLAYERS or CREATE_LOCAL_CONF action.
func (r *stageRun) confFile(ctx context.Context, s *plan.StepPlan) error {
	return r.change(ctx, s, func(w *layer.Working) error {
		user, err := runc.LookupUser(w.Root(), r.state.Config.Config.User)
		if err != nil {
			return err
		}
		return r.inBuildDir(ctx, w, user, func(root int) error {
			if s.Action.Kind == decl.CreateLocalConf {
				return r.writeLocalConf(root, s.Conf, user)
			}
			return r.writeBBLayers(root, s.Conf, user)
		})
	})
}

// inBuildDir makes the build and configuration directories, the user's, and
// calls f with the stage's root.
func (r *stageRun) inBuildDir(ctx context.Context, w *layer.Working, user runc.User, f func(root int) error) error {
	root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, dir := range []string{bitbake.BuildDir, bitbake.ConfDir} {
		fd, err := (&copier{ctx: ctx, root: root}).mkdirAll(dir)
		if err != nil {
			return err
		}
		if user.UID != 0 {
			err = unix.Fchown(fd, int(user.UID), int(user.GID))
		}
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("owner of %s: %w", dir, err)
		}
	}
	return f(root)
}

func (r *stageRun) writeBBLayers(root int, c *plan.Conf, user runc.User) error {
	return r.writeConf(root, "bblayers.conf", bitbake.BBLayers(c.Layers, eraOf(c, root)), user)
}

func (r *stageRun) writeLocalConf(root int, c *plan.Conf, user runc.User) error {
	return r.writeConf(root, "local.conf", bitbake.LocalConf(eraOf(c, root), c.LocalConf), user)
}

// writeConf writes a file of the configuration directory. One that is there
// keeps its owner and mode.
func (r *stageRun) writeConf(root int, name, content string, user runc.User) error {
	dir, err := openIn(root, bitbake.ConfDir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	const flags = unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags|unix.O_CREAT|unix.O_EXCL, 0o644)
	if err == nil {
		err = unix.Fchown(fd, int(user.UID), int(user.GID))
	} else if err == unix.EEXIST {
		fd, err = unix.Openat(dir, name, flags|unix.O_TRUNC, 0)
	}
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO, unix.EISDIR: // a link, a FIFO or socket, a directory
		return fmt.Errorf("write %s: it is no file", path.Join(bitbake.ConfDir, name))
	default:
		return fmt.Errorf("write %s: %w", path.Join(bitbake.ConfDir, name), err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("write %s: it is no file", path.Join(bitbake.ConfDir, name))
	}
	if _, err := io.WriteString(f, content); err != nil {
		return err
	}
	return f.Close()
}

// sanity puts the file in place that switches bitbake's checks off, which the
// superuser would not pass, or takes it away for others.
func (r *stageRun) sanity(root int, user runc.User) error {
	if user.UID == 0 {
		return r.writeConf(root, "sanity.conf", "", user)
	}
	dir, err := openIn(root, bitbake.ConfDir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir, "sanity.conf", &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != 0 {
		return nil
	}
	return unix.Unlinkat(dir, "sanity.conf", 0)
}

// bitbakeCaches are the stage's caches and those that bitbake has anyway: each
// uid of bitbake's has its own, for it could not write into directories that
// another one has made.
func bitbakeCaches(s *decl.Stage, uid uint32) []decl.Cache {
	whose := ""
	if uid != 0 {
		whose = fmt.Sprintf("-%d", uid)
	}
	caches := slices.Clone(s.Caches)
	for _, c := range []decl.Cache{
		{Path: bitbake.Downloads, ID: "bitbake-downloads" + whose, Shared: true},
		{Path: bitbake.SState, ID: "bitbake-sstate" + whose, Shared: true},
	} {
		if !slices.ContainsFunc(caches, func(o decl.Cache) bool { return path.Clean(o.Path) == c.Path }) {
			caches = append(caches, c)
		}
	}
	return caches
}

// bitbake is a bitbake_target.
func (r *stageRun) bitbake(ctx context.Context, s *plan.StepPlan) error {
	unlock, err := r.lockCaches(ctx, r.plan.Stage.Caches) // bitbake's own are shared
	if err != nil {
		return err
	}
	defer unlock()
	return r.change(ctx, s, func(w *layer.Working) error {
		a := s.Action
		name := a.User
		if name == "" {
			name = r.state.Config.Config.User
		}
		user, err := runc.LookupUser(w.Root(), name)
		if err != nil {
			return err
		}
		err = r.inBuildDir(ctx, w, user, func(root int) error {
			if err := r.sanity(root, user); err != nil {
				return err
			}
			if err := r.writeBBLayers(root, s.Conf, user); err != nil {
				return err
			}
			return r.writeLocalConf(root, s.Conf, user)
		})
		if err != nil {
			return err
		}
		mounts, err := r.mounts(w.Root(), bitbakeCaches(r.plan.Stage, user.UID), user)
		if err != nil {
			return err
		}
		watch := &bitbakeWatch{run: r}
		r.log.watch(watch.line)
		defer r.log.watch(nil)
		defer watch.end()
		c := sandboxed{
			args: bitbake.Command(s.Conf.Layers.Base, a.Command, a.Targets), user: user, mounts: mounts, env: r.environment(user), network: r.Network,
			failed: func(e *plan.StepError) { e.Logs = watch.collect(w.Root(), maxAllLogs) },
		}
		return r.command(ctx, s, w, c)
	})
}
