// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// What happens to damaged parts of a store.
const (
	thenLayer  = "marked: no build uses it until it is made or pulled again"
	thenImage  = "the next build or pull of the image writes it again"
	thenRecord = "removed; its step runs again"
	thenNote   = "removed; made again when it is needed"
)

// Fsck checks the lists of the store, each layer against its digest and the record of its
// files, the documents of each image, and all records and notes. Files written by
// containers have no digest and are not checked.
func (s *Store) Fsck(ctx context.Context, c *fsck.Check) error {
	if err := s.fsckIndexes(c); err != nil {
		return fmt.Errorf("check the store's lists: %w", err)
	}
	layers, err := s.store.Layers()
	if err != nil {
		return fmt.Errorf("list layers: %w", err)
	}
	for i := range layers {
		if err := s.fsckLayer(ctx, c, &layers[i]); err != nil {
			return fmt.Errorf("check layer %s: %w", short(layers[i].ID), err)
		}
	}
	images, err := s.store.Images()
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	for i := range images {
		if err := s.fsckImage(ctx, c, &images[i]); err != nil {
			return fmt.Errorf("check image %s: %w", short(images[i].ID), err)
		}
	}
	own := filepath.Join(s.graph, "carosbuild")
	for _, in := range []struct{ kind, dir, then string }{
		{"record of a step", RecordsDir(s.graph), thenRecord},
		{"note of devices", filepath.Join(own, "devices"), thenNote},
		{"note of attributes", filepath.Join(own, "labels"), thenNote},
	} {
		if err := sealed.Fsck(ctx, c, in.kind, in.dir, in.then); err != nil {
			return fmt.Errorf("check the store's notes: %w", err)
		}
	}
	return nil
}

// fsckIndexes reports the lists that were damaged when the store was opened, and checks
// their copies.
func (s *Store) fsckIndexes(c *fsck.Check) error {
	for _, file := range indexes(s.graph) {
		c.Checked("list")
		if slices.Contains(s.restored, file) {
			if err := c.Damaged(fsck.Damage{Kind: "list", Path: file, What: "is not JSON", Then: "taken from its copy"}, nil); err != nil {
				return err
			}
		}
		copied := indexCopy(s.graph, file)
		data, err := os.ReadFile(copied)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		c.Checked("list")
		if json.Valid(data) {
			continue
		}
		d := fsck.Damage{Kind: "list", Path: copied, What: "is not JSON", Then: "removed; copied again"}
		if err := c.Damaged(d, func() error { return os.Remove(copied) }); err != nil {
			return err
		}
	}
	return nil
}

// fsckLayer checks a layer. A layer known to be damaged waits to be made again.
func (s *Store) fsckLayer(ctx context.Context, c *fsck.Check, of *storage.Layer) error {
	l := s.remember(of)
	incomplete, _ := of.Flags["incomplete"].(bool)
	if l.DiffID == (oci.Digest{}) || incomplete {
		return nil
	}
	dir := s.diffDir(l.ID)
	if _, err := os.Lstat(damagedFile(s.graph, l.ID)); err == nil {
		c.Waiting = append(c.Waiting, dir)
		return nil
	}
	c.Checked("layer")
	err := s.fsckSums(c, l)
	if err == nil {
		err = s.readWhole(ctx, l, of.Metadata == ours)
	}
	if err == nil || ctx.Err() != nil {
		return cmp.Or(err, ctx.Err())
	}
	if _, gone := s.store.Layer(l.ID); errors.Is(gone, storage.ErrLayerUnknown) {
		return nil // removed meanwhile
	}
	if len(Damages(err)) == 0 && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EIO) {
		return err
	}
	what := err.Error()
	if found := Damages(err); len(found) > 0 {
		what = found[0].difference()
	}
	d := fsck.Damage{Kind: "layer", Path: dir, What: what, Then: thenLayer}
	return c.Damaged(d, func() error { return s.MarkDamaged(l.ID, err.Error()) })
}

// readWhole compares all files of a layer with its record, and its tar stream with its digest.
func (s *Store) readWhole(ctx context.Context, l Layer, mine bool) error {
	if st, err := os.Stat(s.diffDir(l.ID)); err != nil || !st.IsDir() {
		return &DamageError{l.ID, "", "its files are missing"}
	}
	if mine && ChainID(l.Parent, l.DiffID) != l.ID {
		return &DamageError{l.ID, "", "the list of layers has a different digest or a different layer below it"}
	}
	found, err := s.checkFiles(l.ID, 1)
	switch {
	case errors.Is(err, sums.ErrNone): // no record; the digest covers all but owners, modes and times
	case err != nil:
		return err
	case len(found) > 0:
		return found[0]
	}
	var n int64
	err = s.WriteTar(l, writerFunc(func(p []byte) error { n += int64(len(p)); return ctx.Err() }))
	if err == nil && l.Size > 0 && n != l.Size {
		err = &DamageError{l.ID, "", fmt.Sprintf("the list of layers says that its tar has %d bytes, not %d", l.Size, n)}
	}
	return err
}

// fsckSums checks the record of a layer's files.
func (s *Store) fsckSums(c *fsck.Check, l Layer) error {
	file := s.sumsFile(l.ID)
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c.Checked("record of files")
	_, err := s.readSums(l.ID)
	if !errors.Is(err, sums.ErrNone) {
		return err
	}
	d := fsck.Damage{Kind: "record of files", Path: file, What: "does not have the digest that is in it", Then: thenNote}
	return c.Damaged(d, func() error { return os.Remove(file) })
}

// fsckImage checks the documents of an image.
func (s *Store) fsckImage(ctx context.Context, c *fsck.Check, i *storage.Image) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if unfinished(i) {
		return nil
	}
	c.Checked("image")
	dir := filepath.Join(s.graph, "overlay-images", i.ID)
	what := ""
	for _, key := range i.BigDataNames {
		data, err := s.store.ImageBigData(i.ID, key)
		switch want := i.BigDataDigests[key]; {
		case errors.Is(err, storage.ErrImageUnknown):
			return nil // removed meanwhile
		case err != nil:
			what = fmt.Sprintf("its %s: %v", key, err)
		case want != "" && digest.FromBytes(data) != want:
			what = fmt.Sprintf("its %s has the digest %s, not %s", key, digest.FromBytes(data), want)
		}
	}
	if what == "" && i.Metadata == ours {
		what = s.configFits(i)
	}
	if what == "" {
		return nil
	}
	return c.Damaged(fsck.Damage{Kind: "image", Path: dir, What: what, Then: thenImage}, nil)
}

// unfinished reports whether an image of ours was being stored when the process was killed,
// or the file system was full: it has no configuration yet, and gets names last. The next
// build or pull of the image completes it.
func unfinished(i *storage.Image) bool {
	return i.Metadata == ours && len(i.Names) == 0 && !slices.Contains(i.BigDataNames, "sha256:"+i.ID)
}

// configFits says what of an image's configuration does not fit its name and its layers.
func (s *Store) configFits(i *storage.Image) string {
	config, _, err := s.Config(toImage(i))
	if err != nil {
		return err.Error()
	}
	chain, err := s.Chain(i.TopLayer)
	if err != nil {
		return err.Error()
	}
	var have []oci.Digest
	for _, l := range chain {
		have = append(have, l.DiffID)
	}
	if !slices.Equal(have, config.RootFS.DiffIDs) {
		return "its layers are not those of its configuration"
	}
	return ""
}
