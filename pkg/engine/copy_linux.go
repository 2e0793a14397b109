// SPDX-License-Identifier: MPL-2.0

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

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/inorder"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// copy is an ADD or COPY action. A file goes to Dest, or into it when Dest
// ends in a slash or is a directory; a directory's contents go into Dest. Paths
// in the stage are resolved inside it.
func (r *jobRun) copy(ctx context.Context, s *plan.Step, a *plan.Copy) error {
	from, err := r.sources(ctx, a)
	if err != nil {
		return err
	}
	defer from.close()
	return r.change(ctx, s, func(w Snapshot) error {
		root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		c := &copier{root: root, own: w.Owners(), keep: a.Stage != "", check: from.check, from: from.owners, memory: r.Added}
		if r.job.Epoch != nil {
			c.mtime = &unix.Timespec{Sec: *r.job.Epoch}
		}
		if err := c.options(w.Root(), a); err != nil {
			return err
		}
		into := strings.HasSuffix(a.Dest, "/") || strings.HasSuffix(a.Dest, "/.") || a.Dest == "." || len(from.paths) > 1
		for _, src := range from.paths {
			if err := c.add(ctx, src, r.inWorkdir(a.Dest), into); err != nil {
				return err
			}
		}
		if c.check != nil {
			return c.check.complete()
		}
		return nil
	})
}

// inWorkdir resolves a path of the stage against its working directory.
func (r *jobRun) inWorkdir(name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join("/", r.state.Config.Config.WorkingDir, name)
}

// workdir is a WORKDIR action: it makes the directory.
func (r *jobRun) workdir(ctx context.Context, s *plan.Step, a *plan.Workdir) error {
	dir := r.inWorkdir(a.Dir)
	r.state.Config.Config.WorkingDir = dir
	return r.change(ctx, s, func(w Snapshot) error {
		root, err := unix.Open(w.Root(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(root)
		fd, err := (&copier{root: root}).mkdirAll(dir)
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
	// owners reads the attributes of another stage's files; nil for files of the host
	owners owner.Policy
	close  func()
}

// sourcePath is a source: its name, its path for this process, and its path in
// another stage.
type sourcePath struct {
	name, path, inStage string
	source              plan.Source // on this machine
}

func (r *jobRun) sources(ctx context.Context, a *plan.Copy) (*sourceSet, error) {
	if a.Stage != "" {
		return r.stageSources(ctx, a)
	}
	set := &sourceSet{close: func() {}}
	for _, src := range a.Sources {
		if src.Path == "" { // optional, and did not exist
			continue
		}
		set.paths = append(set.paths, sourcePath{name: files.BaseName(src.Name), path: src.Path, source: src})
	}
	return set, nil
}

// stageSources are sources in another stage.
func (r *jobRun) stageSources(ctx context.Context, a *plan.Copy) (*sourceSet, error) {
	view, err := r.Snapshots.View(ctx, r.below[a.Stage].Layer)
	if err != nil {
		return nil, err
	}
	set := &sourceSet{owners: view.owners()}
	root, err := unix.Open(view.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(err, view.Release())
	}
	fds := []int{root}
	set.close = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
		_ = view.Release() // nothing was written
	}
	for _, src := range a.Sources {
		fd, err := openIn(root, path.Join("/", src.Name), unix.O_PATH)
		if a.Optional && err == unix.ENOENT {
			continue
		}
		if err != nil {
			set.close()
			err = &fs.PathError{Op: "find in stage " + a.Stage, Path: src.Name, Err: err}
			if hint := files.PatternHint(src.Name); hint != "" {
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
		set.paths = append(set.paths, sourcePath{name: files.BaseName(src.Name), path: at, inStage: inStage})
	}
	if set.check, err = newStageCheck(ctx, view.Sums, set.owners, set.paths); err != nil {
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

// openIn opens name below root. Links are resolved as if root were "/", except in the
// part of a name that exceeds the kernel's limit for a path.
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
func (c *copier) options(root string, a *plan.Copy) error {
	if a.Mode != "" {
		m, err := strconv.ParseUint(a.Mode, 8, 12)
		if err != nil {
			return fmt.Errorf("mode %q is not octal", a.Mode)
		}
		c.mode = new(uint32)
		*c.mode = uint32(m)
	}
	if a.Owner == "" {
		return nil
	}
	u, err := sandbox.LookupUser(root, a.Owner)
	if err != nil {
		return err
	}
	c.given = &[2]uint32{u.UID, u.GID}
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
func (c *copier) add(ctx context.Context, source sourcePath, dest string, into bool) error {
	st, err := os.Stat(source.path)
	if err != nil {
		return err
	}
	if !st.IsDir() && (into || statDir(c.root, dest)) {
		dest = path.Join(dest, source.name)
	}
	c.seen = files.Digester{}
	var contents inorder.Queue
	err = files.Walk(source.path, func(rel, full string, st fs.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.crc, c.read, c.later = nil, "", nil
		name := path.Join(dest, rel)
		if err := c.one(full, name, st); err != nil {
			return err
		}
		if c.check != nil {
			return c.check.file(strings.TrimPrefix(path.Join("/", source.inStage, rel), "/"), full, st, c.crc)
		}
		later, read := c.later, c.read
		if later == nil {
			return contents.Done(nil, func(error) error {
				c.seen.Add(rel, st, read)
				return nil
			})
		}
		return contents.Do(later.copy, func(err error) error {
			defer unix.Close(later.dir)
			if err == nil {
				err = c.finish(later)
			}
			if err != nil {
				return files.Renamed(fmt.Errorf("copy to %s: %w", name, err), full, path.Join(source.path, rel))
			}
			c.seen.Add(rel, st, later.read)
			return nil
		})
	})
	if late := contents.Wait(); err == nil {
		err = late
	}
	if err == nil && !c.keep && c.seen.Sum() != source.source.Digest {
		// The copy would be stored under the key of different content. A remembered digest may
		// be the reason: on some file systems, a file can change without its times.
		c.memory.Forget(source.path)
		err = fmt.Errorf("%s changed while the build was running: build again", source.source.Name)
	}
	return err
}
