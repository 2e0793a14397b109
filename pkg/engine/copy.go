// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// copy is an ADD or COPY action. A file goes to Dest, or into it when Dest
// ends in a slash or is a directory; a directory's contents go into Dest. Paths
// in the stage are resolved inside it.
func (r *stageRun) copy(ctx context.Context, s *plan.StepPlan) error {
	a := s.Action
	from, err := r.sources(ctx, a)
	if err != nil {
		return err
	}
	defer from.close()
	return r.change(ctx, s, func(w *layer.Working) error {
		root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		c := &copier{ctx: ctx, root: root, keep: a.FromStage != "", check: from.check}
		if r.Epoch != nil {
			c.mtime = &unix.Timespec{Sec: *r.Epoch}
		}
		if err := c.options(w.Root(), a); err != nil {
			return err
		}
		dest := path.Join("/", r.state.Config.Config.WorkingDir, a.Dest)
		if path.IsAbs(a.Dest) {
			dest = path.Clean(a.Dest)
		}
		into := strings.HasSuffix(a.Dest, "/") || strings.HasSuffix(a.Dest, "/.") || a.Dest == "." || len(from.paths) > 1
		for _, src := range from.paths {
			if err := c.add(src, dest, into); err != nil {
				return err
			}
		}
		if c.check != nil {
			return c.check.complete()
		}
		return r.unchanged(ctx, a)
	})
}

// unchanged fails when an added file is no longer what the plan has seen: its
// content would be stored under the key of another.
func (r *stageRun) unchanged(ctx context.Context, a *decl.Action) error {
	if a.FromStage != "" {
		return nil
	}
	for _, src := range a.Sources {
		want := r.resolved.Files[plan.SourceKey(r.plan.ID, src)]
		path, err := files.Find(r.plan.Stage, src)
		if want == "" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		got := ""
		if err == nil {
			got, err = files.Digest(ctx, path)
		}
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s changed while the build was running: build again", src)
		}
	}
	return nil
}

// workdir is a WORKDIR action: it makes the directory.
func (r *stageRun) workdir(ctx context.Context, s *plan.StepPlan) error {
	dir := path.Join("/", r.state.Config.Config.WorkingDir, s.Action.Dest)
	if path.IsAbs(s.Action.Dest) {
		dir = path.Clean(s.Action.Dest)
	}
	r.state.Config.Config.WorkingDir = dir
	return r.change(ctx, s, func(w *layer.Working) error {
		root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		fd, err := (&copier{ctx: ctx, root: root}).mkdirAll(dir)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	})
}

// sourceSet are the sources of an action, as paths of this process.
type sourceSet struct {
	paths []sourcePath
	check *stageCheck // nil for files of the host
	close func()
}

// sourcePath is a source: what it is called, where this process finds it, and
// its path in another stage.
type sourcePath struct{ name, path, inStage string }

func (r *stageRun) sources(ctx context.Context, a *decl.Action) (*sourceSet, error) {
	set := &sourceSet{close: func() {}}
	if a.FromStage == "" {
		for _, src := range a.Sources {
			p, err := files.Find(r.plan.Stage, src)
			if a.Optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			set.paths = append(set.paths, sourcePath{files.BaseName(src), p, ""})
		}
		return set, nil
	}
	top := r.below[a.FromStage].Layer
	view, release, err := r.Store.View(ctx, top)
	if err != nil {
		return nil, err
	}
	root, err := unix.Open(view, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		release()
		return nil, err
	}
	fds := []int{root}
	set.close = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
		release()
	}
	for _, src := range a.Sources {
		fd, err := openIn(root, path.Join("/", src), unix.O_PATH)
		if a.Optional && err == unix.ENOENT {
			continue
		}
		if err != nil {
			set.close()
			err = &fs.PathError{Op: "find in stage " + a.FromStage, Path: src, Err: err}
			if hint := files.PatternHint(src); hint != "" {
				err = fmt.Errorf("%w; %s", err, hint)
			}
			return nil, err
		}
		fds = append(fds, fd)
		at := fmt.Sprintf("/proc/self/fd/%d", fd)
		inStage, err := pathBelow(root, fd)
		if err != nil {
			set.close()
			return nil, err
		}
		set.paths = append(set.paths, sourcePath{files.BaseName(src), at, inStage})
	}
	if set.check, err = newStageCheck(ctx, r.Store, top, set.paths); err != nil {
		set.close()
		return nil, err
	}
	return set, nil
}

// pathBelow is the path of an open file below an open directory, without a
// leading slash.
func pathBelow(root, fd int) (string, error) {
	top, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", root))
	if err != nil {
		return "", err
	}
	full, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	return strings.TrimPrefix(strings.TrimPrefix(full, top), "/"), err
}

// openIn opens name below root; links are resolved as if root were "/", but
// for those in what is beyond the length that the kernel takes as one path.
func openIn(root int, name string, flags int) (int, error) {
	if len(name) > beneath.MaxPath {
		i := strings.LastIndexByte(name[:beneath.MaxPath], '/')
		if i <= 0 {
			return -1, unix.ENAMETOOLONG
		}
		head, err := openIn(root, name[:i], unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		defer unix.Close(head)
		return beneath.Open(head, name[i+1:], flags)
	}
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// options sets what --chown and --chmod ask for.
func (c *copier) options(root string, a *decl.Action) error {
	if a.Chmod != "" {
		m, err := strconv.ParseUint(a.Chmod, 8, 12)
		if err != nil {
			return fmt.Errorf("mode %q is not octal", a.Chmod)
		}
		c.mode = new(uint32)
		*c.mode = uint32(m)
	}
	if a.Chown == "" {
		return nil
	}
	u, err := runc.LookupUser(root, a.Chown)
	if err != nil {
		return err
	}
	c.owner = &[2]uint32{u.UID, u.GID}
	return nil
}

// statDir reports whether name is a directory inside root.
func statDir(root int, name string) bool {
	fd, err := openIn(root, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// add copies one source.
func (c *copier) add(source sourcePath, dest string, into bool) error {
	st, err := os.Stat(source.path)
	if err != nil {
		return err
	}
	if !st.IsDir() && (into || statDir(c.root, dest)) {
		dest = path.Join(dest, source.name)
	}
	return files.Walk(source.path, func(rel, full string, st fs.FileInfo) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		c.crc = nil
		if err := c.one(full, path.Join(dest, rel), st); err != nil || c.check == nil {
			return err
		}
		return c.check.file(strings.TrimPrefix(path.Join("/", source.inStage, rel), "/"), full, st, c.crc)
	})
}
