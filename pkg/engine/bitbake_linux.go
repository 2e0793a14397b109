// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
)

// eraOf finds out which files the base layer in a stage needs. A layer that does not
// exist counts as one of redomat's time.
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

// confWriter writes one of bitbake's configuration files.
type confWriter func(b *buildDir, c *plan.Conf) error

// confFile is a CREATE_BBLAYERS or CREATE_LOCAL_CONF action.
func (r *jobRun) confFile(ctx context.Context, s *plan.Step, c *plan.Conf, write confWriter) error {
	return r.change(ctx, s, func(w Snapshot) error {
		user, err := sandbox.LookupUser(w.Root(), r.state.Config.Config.User)
		if err != nil {
			return err
		}
		return inBuildDir(w, user, func(b *buildDir) error { return write(b, c) })
	})
}

// buildDir is a root that contains a user's bitbake build directory.
type buildDir struct {
	root int
	own  owner.Policy
	user sandbox.User
}

// inBuildDir makes the build and configuration directories, which belong to the user,
// and calls f with them.
func inBuildDir(w Snapshot, user sandbox.User, f func(b *buildDir) error) error {
	root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for _, dir := range []string{bitbake.BuildDir, bitbake.ConfDir} {
		fd, err := (&copier{root: root}).mkdirAll(dir)
		if err != nil {
			return err
		}
		if user.UID != 0 {
			err = w.Owners().Chown(fd, ".", int(user.UID), int(user.GID))
		}
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("owner of %s: %w", dir, err)
		}
	}
	return f(&buildDir{root, w.Owners(), user})
}

func writeBBLayers(b *buildDir, c *plan.Conf) error {
	return b.write("bblayers.conf", bitbake.BBLayers(c.Layers, eraOf(c, b.root)))
}

func writeLocalConf(b *buildDir, c *plan.Conf) error {
	return b.write("local.conf", bitbake.LocalConf(eraOf(c, b.root), c.LocalConf))
}

// write writes a file of the configuration directory. An existing file keeps its
// owner and mode.
func (b *buildDir) write(name, content string) error {
	dir, err := openIn(b.root, bitbake.ConfDir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	const flags = unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags|unix.O_CREAT|unix.O_EXCL, 0o644)
	if err == nil {
		err = b.own.Chown(dir, name, int(b.user.UID), int(b.user.GID))
	} else if err == unix.EEXIST {
		fd, err = unix.Openat(dir, name, flags|unix.O_TRUNC, 0)
	}
	switch err {
	case nil:
	case unix.ELOOP, unix.ENXIO, unix.EISDIR: // a link, a FIFO or socket, a directory
		return fmt.Errorf("write %s: it is not a regular file", path.Join(bitbake.ConfDir, name))
	default:
		return fmt.Errorf("write %s: %w", path.Join(bitbake.ConfDir, name), err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("write %s: it is not a regular file", path.Join(bitbake.ConfDir, name))
	}
	if _, err := io.WriteString(f, content); err != nil {
		return err
	}
	return f.Close()
}

// sanity creates the file that switches off bitbake's checks, which the superuser
// would not pass, and removes it for other users.
func (b *buildDir) sanity(*plan.Conf) error {
	if b.user.UID == 0 {
		return b.write("sanity.conf", "")
	}
	dir, err := openIn(b.root, bitbake.ConfDir, unix.O_RDONLY|unix.O_DIRECTORY)
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

// bitbakeCaches are the stage's caches and the ones that bitbake always has. Each uid
// has its own, because it could not write to directories made by another.
func bitbakeCaches(own []plan.Cache, uid uint32) []plan.Cache {
	whose := ""
	if uid != 0 {
		whose = fmt.Sprintf("-%d", uid)
	}
	caches := slices.Clone(own)
	for _, c := range []plan.Cache{
		{Path: bitbake.Downloads, ID: "bitbake-downloads" + whose, Shared: true},
		{Path: bitbake.SState, ID: "bitbake-sstate" + whose, Shared: true},
	} {
		if !slices.ContainsFunc(caches, func(o plan.Cache) bool { return path.Clean(o.Path) == c.Path }) {
			caches = append(caches, c)
		}
	}
	return caches
}

// bitbake is a bitbake_target.
func (r *jobRun) bitbake(ctx context.Context, s *plan.Step, a *plan.Bitbake) error {
	unlock, err := r.lockCaches(ctx, r.job.Caches) // bitbake's own are shared
	if err != nil {
		return err
	}
	defer unlock()
	return r.change(ctx, s, func(w Snapshot) error {
		user, err := r.userOf(s, w.Root())
		if err != nil {
			return err
		}
		err = inBuildDir(w, user, func(b *buildDir) error {
			for _, write := range []confWriter{(*buildDir).sanity, writeBBLayers, writeLocalConf} {
				if err := write(b, a.Conf); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		around, err := r.environmentOf(s, w.Root()) // now that the build directory exists
		if err != nil {
			return err
		}
		watch := &bitbakeWatch{run: r}
		r.log.watch(watch.line)
		defer r.log.watch(nil)
		defer watch.end()
		return r.command(ctx, s, w, command{
			environment: around, args: bitbake.Command(a.Conf.Layers.Base, a.Command, a.Targets),
			failed: func(e *plan.StepError) { e.Logs = watch.collect(w.Root(), maxAllLogs) },
		})
	})
}
