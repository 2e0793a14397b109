// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"go.podman.io/storage/types"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/owner/record"
)

// Options say where a store is and what its limits are.
type Options struct {
	GraphRoot string          // for everything that stays; absolute
	RunRoot   string          // for what a reboot may lose; absolute
	BootID    string          // of this boot; "" reads the kernel's
	Holder    string          // name of this process, for others that wait for the store
	Waiting   func(by string) // called with the process that has exclusive use, after a second; may be nil
	Limits    oci.Limits      // zero values mean the defaults
	Snapshots snapshot.Kind   // "" takes overlay mounts
	// Owners sets and reads the attributes of files in layers and snapshots; nil asks the
	// kernel. With an owner.Recorded the store keeps the records, in its own table, and
	// snapshots are copies.
	Owners owner.Policy
	// NoMounts says that this process has no mount namespace of its own to mount in:
	// snapshots are copies then.
	NoMounts bool
}

// Store is an opened store. Its methods may be called concurrently, and other
// processes, podman among them, may use the same directories meanwhile.
type Store struct {
	graph      string
	store      storage.Store
	driver     snapshot.Driver
	format     archive.Format
	owners     owner.Policy
	table      *record.Table // of owners that are recorded, or nil
	ownersFile string        // of the table
	wip        *wip
	limit      oci.Limits
	sync       *syncer
	restored   []string // indexes of the library that were damaged when the store was opened

	register sync.Mutex // with flock on the store's lock: looking for a layer and adding it

	mu    sync.Mutex
	known map[string]Layer // what does not change; a layer may have been removed since
	bg    sync.WaitGroup
	bgErr error
}

// Open opens or makes a store. It removes snapshots that dead processes have left, and
// layers that a power cut may have damaged. The caller is uid 0 in a user namespace (or on
// the host), in a mount namespace of its own; the variables _CONTAINERS_ROOTLESS_UID and
// _GID tell containers/storage whose namespace it is.
func Open(ctx context.Context, o Options) (*Store, error) {
	if !filepath.IsAbs(o.GraphRoot) || !filepath.IsAbs(o.RunRoot) {
		return nil, fmt.Errorf("open store: %q and %q must be absolute paths", o.GraphRoot, o.RunRoot)
	}
	restored, err := restoreIndexes(filepath.Clean(o.GraphRoot))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	st, err := getStore(o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.GraphRoot, err)
	}
	graph := filepath.Clean(o.GraphRoot)
	s := &Store{graph: graph, store: st, limit: o.Limits.WithDefaults(), known: map[string]Layer{}, restored: restored}
	if err := s.openOwners(o.Owners); err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.GraphRoot, err)
	}
	if err := s.setDriver(o.Snapshots, !o.NoMounts); err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.GraphRoot, err)
	}
	if s.wip, err = openWip(ctx, filepath.Join(graph, "carosbuild"), opening{holder: o.Holder, waiting: o.Waiting}); err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.GraphRoot, err)
	}
	if s.sync, err = startSyncer(graph, o.BootID, s.wip); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", o.GraphRoot, err), s.wip.close())
	}
	if err := s.sweep(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", o.GraphRoot, err), s.Close())
	}
	s.background(func() { s.fail(s.wip.bury()) })
	return s, nil
}

// setDriver chooses how snapshots are made.
func (s *Store) setDriver(k snapshot.Kind, mounts bool) (err error) {
	k = cmp.Or(k, snapshot.Overlay)
	if s.format.Prefix, err = snapshot.Prefix(k); err != nil {
		return err
	}
	if _, kernel := s.owners.(owner.Kernel); !kernel {
		s.format.Owners = s.owners
	}
	if s.table != nil && k != snapshot.Copy {
		return fmt.Errorf("snapshots of kind %q cannot record owners: want %s", k, snapshot.Copy)
	}
	s.driver, err = snapshot.New(k, snapshot.Options{Format: s.format, Mounts: mounts, Mkdir: func() (string, error) { return s.wip.mkdir() }})
	return err
}

// getStore opens the library's store.
func getStore(o Options) (storage.Store, error) {
	// A bind mount of the driver's directory on itself would turn each rename into it into a
	// copy.
	options := []string{"overlay.skip_mount_home=true"}
	if o.Snapshots != snapshot.Copy {
		return storage.GetStore(types.StoreOptions{
			GraphRoot: o.GraphRoot, RunRoot: o.RunRoot, GraphDriverName: "overlay", GraphDriverOptions: options,
		})
	}
	// The library refuses a place without overlay mounts unless a program makes them. It is
	// not asked to mount anything here. Its note about that would make podman look for such a
	// program even where overlay mounts work.
	note := filepath.Join(o.GraphRoot, "overlay", ".has-mount-program")
	_, before := os.Lstat(note)
	st, err := storage.GetStore(types.StoreOptions{
		GraphRoot: o.GraphRoot, RunRoot: o.RunRoot, GraphDriverName: "overlay",
		GraphDriverOptions: append(options, "overlay.mount_program=/proc/self/exe"),
	})
	if errors.Is(before, fs.ErrNotExist) {
		if rerr := os.Remove(note); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return st, err
}

// Close waits for removals in the background, syncs the layers of this process to disk,
// and discards all snapshots.
func (s *Store) Close() error {
	s.bg.Wait()
	return errors.Join(s.bgErr, saveIndexes(s.graph), s.sync.close(), s.wip.close(), s.closeOwners())
}

// GraphRoot is the directory that holds the store.
func (s *Store) GraphRoot() string { return s.graph }

// Layer looks up a layer.
func (s *Store) Layer(id string) (Layer, bool) {
	l, err := s.store.Layer(id)
	if err != nil || l.ID != id {
		return Layer{}, false
	}
	return s.remember(l), true
}

func (s *Store) remember(l *storage.Layer) Layer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.known[l.ID]; ok {
		return k
	}
	k := Layer{ID: l.ID, Parent: l.Parent, Size: l.UncompressedSize}
	if h, err := oci.ParseDigest(l.UncompressedDigest.String()); err == nil {
		k.DiffID = h
	}
	s.known[l.ID] = k
	return k
}

func (s *Store) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}

// Chain returns the layers from the base up to and including id. It is empty for scratch.
func (s *Store) Chain(id string) ([]Layer, error) {
	var chain []Layer
	for at := id; at != ""; {
		s.mu.Lock()
		l, ok := s.known[at]
		s.mu.Unlock()
		if !ok || at == id {
			if l, ok = s.Layer(at); !ok {
				return nil, fmt.Errorf("layer %s: %w", at, ErrUnknown)
			}
		}
		chain = append(chain, l)
		at = l.Parent
	}
	slices.Reverse(chain)
	return chain, nil
}

// ChainID is the id of the layer with digest diffID on parent, the same as podman's for a
// pulled layer.
func ChainID(parent string, diffID oci.Digest) string {
	if parent == "" {
		return diffID.Hex
	}
	return digest.Canonical.FromString(parent + "+" + diffID.Hex).Encoded()
}

// TopID is the id of the topmost layer of a chain, which is given lowest first; "" if it is
// empty.
func TopID(chain []oci.Digest) (id string) {
	for _, d := range chain {
		id = ChainID(id, d)
	}
	return id
}

func (s *Store) diffDir(id string) string {
	return filepath.Join(s.graph, "overlay", id, "diff")
}

// lowers are the directories of a chain for an overlay mount, top first.
func (s *Store) lowers(id string) ([]string, error) {
	chain, err := s.Chain(id)
	if err != nil {
		return nil, err
	}
	dirs := make([]string, 0, len(chain))
	for _, l := range slices.Backward(chain) {
		dir := s.diffDir(l.ID)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, &DamageError{l.ID, "", "its files are missing"}
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// RemoveLayer removes a layer that no layer, image or container needs. It is
// idempotent.
func (s *Store) RemoveLayer(id string) error {
	defer s.forget(id)
	if _, err := s.store.Layer(id); err == nil {
		if err := s.flatten(id); err != nil {
			return fmt.Errorf("remove layer %s: %w", id, err)
		}
	}
	err := s.store.DeleteLayer(id)
	if errors.Is(err, storage.ErrLayerUnknown) || errors.Is(err, storage.ErrNotALayer) {
		err = nil
	}
	if err == nil {
		err = s.removeNotes(id)
	}
	if err != nil {
		return fmt.Errorf("remove layer %s: %w", id, err)
	}
	return nil
}

// removeNotes removes the notes about a layer that is gone.
func (s *Store) removeNotes(id string) error {
	for _, note := range []string{s.devicesFile(id), s.labelsFile(id), s.sumsFile(id), damagedFile(s.graph, id)} {
		if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// flatten prepares a layer for removal, since the store's library needs an open descriptor
// for each level of its directories. If the removal is not completed, the layer counts as
// damaged.
func (s *Store) flatten(id string) error {
	return beneath.RemoveDeep(s.diffDir(id), func() error { return s.MarkDamaged(id, "it was about to be removed") })
}

// sweep removes layers that may have been damaged by a power cut, with all
// layers based on them, and staging directories of dead processes.
func (s *Store) sweep(ctx context.Context) error {
	if err := pruneStaging(filepath.Join(s.graph, "overlay", "staging")); err != nil {
		return err
	}
	void, err := s.sync.void()
	if err != nil || len(void) == 0 {
		return err
	}
	layers, err := s.store.Layers()
	if err != nil {
		return fmt.Errorf("list layers: %w", err)
	}
	images, err := s.store.Images()
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	children, tops := map[string][]string{}, map[string][]string{}
	for _, l := range layers {
		children[l.Parent] = append(children[l.Parent], l.ID)
	}
	for _, i := range images {
		tops[i.TopLayer] = append(tops[i.TopLayer], i.ID)
	}
	var remove func(id string) error
	remove = func(id string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, c := range children[id] {
			if err := remove(c); err != nil {
				return err
			}
		}
		for _, i := range tops[id] {
			if err := s.RemoveImage(i); err != nil {
				return err
			}
		}
		delete(children, id)
		delete(tops, id)
		return s.RemoveLayer(id)
	}
	for _, id := range void {
		unpin, err := s.pinParent(id)
		if err == nil {
			err = errors.Join(remove(id), unpin())
		}
		if err != nil {
			return fmt.Errorf("clean up after a power cut: %w", err)
		}
		if err := s.sync.drop(id); err != nil {
			return err
		}
	}
	return nil
}

// pinParent keeps the layers below id: removing an image removes all of its layers that
// nothing else needs.
func (s *Store) pinParent(id string) (unpin func() error, err error) {
	l, ok := s.Layer(id)
	if !ok || l.Parent == "" {
		return func() error { return nil }, nil
	}
	pin, err := s.store.CreateLayer("", l.Parent, nil, "", true, nil)
	if err != nil {
		return nil, fmt.Errorf("keep layer %s: %w", l.Parent, err)
	}
	return func() error { return s.RemoveLayer(pin.ID) }, nil
}

// background runs f; Close waits for it.
func (s *Store) background(f func()) { s.bg.Go(f) }

// fail keeps an error of a background job for Close.
func (s *Store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bgErr = errors.Join(s.bgErr, err)
}
