// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// ErrInUse says that another process has the store open.
var ErrInUse = errors.New("the store is in use by another carosbuild")

// Alone runs f while no other process has the store open or can open it. If a process has
// it open, the error wraps ErrInUse.
func (s *Store) Alone(f func() error) error {
	return s.wip.exclusive(s.wip.named(func() error {
		other, err := s.wip.other()
		if err != nil {
			return err
		}
		if other != nil {
			return other
		}
		return f()
	}))
}

// other returns an ErrInUse that names another process that holds the lock of a work
// directory. The caller is in exclusive, so that no work directory is being made.
func (w *wip) other() (inUse, err error) {
	dirs, err := os.ReadDir(filepath.Join(w.base, "wip"))
	if err != nil {
		return nil, fmt.Errorf("list work directories: %w", err)
	}
	for _, d := range dirs {
		name := d.Name()
		if name == filepath.Base(w.dir) || slices.ContainsFunc(w.dead, func(d deadWip) bool { return filepath.Base(d.path) == name }) {
			continue
		}
		l, err := freshfile.Flock(filepath.Join(w.base, "wip", name, "lock"), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			l.Close()
		case errors.Is(err, unix.EWOULDBLOCK):
			holder, _ := os.ReadFile(filepath.Join(w.base, "wip", name, "lock"))
			if len(holder) == 0 {
				return ErrInUse, nil
			}
			return fmt.Errorf("%w: %s", ErrInUse, terminal.Line(string(holder))), nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR):
			return nil, err
		}
	}
	return nil, nil
}

// Pruning is what can be removed from a store once some names are removed from its images.
// Podman's own images stay, with the layers that they are based on.
type Pruning struct {
	Names  []string // names to remove
	Images []Image  // images without other names
	Used   []string // names that stay: their images have containers

	s      *Store
	layers []storage.Layer   // a layer comes after its parent
	parent map[string]string // by layer
	needed map[string]bool
}

// Pruning finds what can be removed with the names for which drop is true. Images without
// names that this package stored are removed, too, unless a container uses them.
func (s *Store) Pruning(drop func(name string) bool) (*Pruning, error) {
	p := &Pruning{s: s, parent: map[string]string{}, needed: map[string]bool{}}
	var err error
	if p.layers, err = s.store.Layers(); err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	for _, l := range p.layers {
		p.parent[l.ID] = l.Parent
	}
	for _, l := range p.layers {
		if l.Metadata != ours || mark(s.sync.dir, l.ID) != "" { // podman's, or maybe not on disk yet
			p.Keep(l.ID)
		}
	}
	containers, err := s.store.Containers()
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	used := map[string]bool{} // ids of images
	for _, c := range containers {
		used[c.ImageID] = true
		p.Keep(c.LayerID)
	}
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	for i := range images {
		p.image(&images[i], used[images[i].ID], drop)
	}
	return p, nil
}

// image decides whether an image goes.
func (p *Pruning) image(i *storage.Image, used bool, drop func(name string) bool) {
	var dropped []string
	for _, n := range i.Names {
		if drop(n) {
			dropped = append(dropped, n)
		}
	}
	// Podman's image stays, even without a name.
	goes := len(dropped) == len(i.Names) && (len(dropped) > 0 || i.Metadata == ours)
	switch {
	case goes && !used:
		p.Images = append(p.Images, toImage(i))
		p.Names = append(p.Names, dropped...)
		return
	case used:
		p.Used = append(p.Used, dropped...)
	default:
		p.Names = append(p.Names, dropped...)
	}
	p.Keep(i.TopLayer)
	for _, m := range i.MappedTopLayers {
		p.Keep(m)
	}
}

// Keep keeps a layer and those below it.
func (p *Pruning) Keep(id string) {
	for at := id; at != "" && !p.needed[at]; at = p.parent[at] {
		p.needed[at] = true
	}
}

// Keeps reports whether a layer stays.
func (p *Pruning) Keeps(id string) bool { return p.needed[id] }

// Goes reports whether a layer goes: it belongs to an image that goes, and does not stay
// for another reason.
func (p *Pruning) Goes(id string) bool {
	if id == "" || p.needed[id] {
		return false
	}
	return slices.ContainsFunc(p.Images, func(i Image) bool {
		for at := i.Top; at != ""; at = p.parent[at] {
			if at == id {
				return true
			}
		}
		return false
	})
}

// Layers are the layers to remove, each before the layer that it is based on.
func (p *Pruning) Layers() []Layer { return p.list(false) }

// Kept are the layers made here that stay.
func (p *Pruning) Kept() []Layer { return p.list(true) }

func (p *Pruning) list(kept bool) []Layer {
	var out []Layer
	for i, l := range slices.Backward(p.layers) {
		if p.needed[l.ID] == kept && l.Metadata == ours {
			out = append(out, p.s.remember(&p.layers[i]))
		}
	}
	return out
}

// Remove removes the names, images and layers that go. What was removed before an error
// stays removed; another Pruning finds the rest.
func (p *Pruning) Remove(ctx context.Context) error {
	var errs error
	for _, i := range p.Images {
		if err := ctx.Err(); err != nil {
			return errors.Join(errs, err)
		}
		errs = errors.Join(errs, p.s.RemoveImage(i.ID)) // with its names
	}
	if errs != nil { // which layers are needed is not known any more
		return errs
	}
	if err := p.s.RemoveNames(p.Names); err != nil {
		return err
	}
	for _, l := range p.Layers() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.s.RemoveLayer(l.ID); err != nil {
			return err
		}
	}
	return nil
}
