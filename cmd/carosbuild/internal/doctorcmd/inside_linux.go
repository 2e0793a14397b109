// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
	"golang.org/x/sys/unix"
)

// run checks what there is inside the namespaces.
func (c *checkup) run(ctx context.Context) error {
	ids, err := mappedIDs()
	c.need("ids", ids, err)
	d, err := c.Dirs()
	if err != nil {
		return err
	}
	p, err := localstore.Paths(ctx, c.App)
	if err != nil {
		return err
	}
	c.space("cache", d.Cache)
	c.space("logs", d.State)
	if place := c.space("store", p.GraphRoot); place != "" {
		if err := c.tryIn(ctx, place); err != nil {
			return err
		}
	}
	if detail, cure := localstore.PodmanNote(c.App, p); detail != "" {
		c.lack("podman", detail, cure)
	}
	c.mirror(ctx)
	c.tools()
	return c.failed
}

// tryIn tries something in a new directory in place, which is removed afterwards.
func (c *checkup) tryIn(ctx context.Context, place string) error {
	const prefix = ".carosbuild-doctor-"
	if left, err := filepath.Glob(filepath.Join(place, prefix+"*")); err == nil { // left by a killed run; errors do not matter
		for _, dir := range left {
			if st, err := os.Stat(dir); err == nil && time.Since(st.ModTime()) > time.Hour {
				_ = os.RemoveAll(dir)
			}
		}
	}
	dir, err := os.MkdirTemp(place, prefix)
	if err != nil {
		c.need("store", "", err)
		return nil
	}
	return errors.Join(c.trial(ctx, dir), os.RemoveAll(dir))
}

// mappedIDs says how many ids the namespace has.
func mappedIDs() (string, error) {
	var counts [2]int64
	for i, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for l := range strings.Lines(string(data)) {
			var inside, outside, n int64
			if _, err := fmt.Sscan(l, &inside, &outside, &n); err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
			counts[i] += n
		}
	}
	return fmt.Sprintf("%d of users, %d of groups", counts[0], counts[1]), nil
}

// plenty is the free space in bytes that a build of a whole system needs.
const plenty = 8 << 30

// space checks the place where dir is or would be, which has to be writable, and
// returns the existing directory, or "".
func (c *checkup) space(what, dir string) string {
	place, err := localstore.Existing(dir)
	if err == nil {
		err = unix.Access(place, unix.W_OK|unix.X_OK)
	}
	var st unix.Statfs_t
	if err == nil {
		err = unix.Statfs(place, &st)
	}
	if err != nil {
		c.need(what, "", &fs.PathError{Op: "write below", Path: dir, Err: err})
		return ""
	}
	free := int64(st.Bavail) * st.Bsize
	detail := fmt.Sprintf("%s, %s free", dir, bytesize.Format(free))
	if free < plenty {
		c.lack(what, detail, "a build of a whole system takes "+bytesize.Format(plenty)+"; carosbuild prune makes room")
		return place
	}
	c.need(what, detail, nil)
	return place
}

// trial makes a store in a directory, runs this program in it as a step, and tries
// programs of other architectures.
func (c *checkup) trial(ctx context.Context, dir string) (err error) {
	kinds := localstore.SnapshotKinds(c.App)
	kind, slower, why := snapshot.Choose(dir, kinds)
	for _, w := range slower {
		c.lack("overlay", render.Printable(w.Reason())+"; each step begins with a copy of its root file system", localstore.PlaceCure)
	}
	if why != nil && c.Rung(ctx).How == userns.Plain {
		c.need("layers", "", why)
		return nil
	}
	if why != nil {
		bound, err := localstore.MemoryStore(why)
		if err == nil {
			err = userns.MountMemory(dir, bound)
		}
		if err == nil {
			kind, _, err = snapshot.Choose(dir, kinds)
		}
		if err != nil {
			c.need("overlay", "", err)
			return nil
		}
		defer func() { err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)) }()
		if place, ok := errors.AsType[*snapshot.PlaceError](why); ok {
			place.Dir = filepath.Dir(dir)
		}
		c.lack("overlay", fmt.Sprintf("%v; it would be in memory, of at most %s, and lost after each run", why, bytesize.Format(bound)), localstore.PlaceCure)
	}
	r := c.Rung(ctx)
	if r.Prepare != nil {
		if err := r.Prepare(); err != nil {
			c.need("layers", "", err)
			return nil
		}
	}
	s, err := layer.Open(ctx, layer.Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Snapshots: kind, Owners: r.Store.Owners, NoMounts: r.How == userns.Plain})
	if err != nil {
		c.need("layers", "", err)
		return nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return c.tryStep(ctx, dir, s, kind)
}

// tryStep makes layers in a store, and runs a step on them.
func (c *checkup) tryStep(ctx context.Context, dir string, s *layer.Store, kind snapshot.Kind) (err error) {
	layers := engine.Snapshotter(engine.Layers{Store: s})
	top, err := engine.TryLayers(ctx, layers)
	what, detail := "overlay", "layers can be made and mounted"
	if kind == snapshot.Copy {
		what, detail = "layers", "can be made, and are copied"
	}
	if c.need(what, detail, err); err != nil {
		return nil
	}
	dirs, err := c.Dirs()
	if err != nil {
		return err
	}
	room, _, err := c.OpenRoom(ctx, dirs, dir, s, cli.RoomOptions{Offline: true, Note: func(text string) { c.line("missing", "kvm", render.Printable(text)) }})
	if errors.Is(err, rung.ErrNotFetched) {
		c.line("missing", "runtime", "no step was tried, since nothing is fetched here: steps run "+render.Printable(c.Rung(ctx).Detail(c.Host())))
		return nil
	}
	if err != nil {
		c.need("runtime", "", err)
		return nil
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	if room.Stored != nil {
		layers = room.Stored(s)
	}
	err = engine.TryStep(ctx, layers, room.Sandbox, top)
	if c.need("runtime", room.What+" runs a step", err); err == nil {
		c.emulation(ctx, room.Sandbox)
		c.network(ctx, room)
	}
	return nil
}
