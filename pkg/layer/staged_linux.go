// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"
	drivers "go.podman.io/storage/drivers"
	carchive "go.podman.io/storage/pkg/archive"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// ours is the metadata of layers made here.
const ours = `{"creator":"carosbuild"}`

// filler hands a layer's files to the store. The Differ interface is meant for
// zstd:chunked and marked as experimental: only this file uses it.
type filler struct {
	fill   func(dest string) error
	res    archive.Result
	record *os.File
	dest   string
}

// ApplyDiff fills the staging directory dest, which the store made.
func (f *filler) ApplyDiff(dest string, _ *carchive.TarOptions, _ *drivers.DifferOptions) (drivers.DriverWithDifferOutput, error) {
	f.dest = dest
	if err := f.fill(dest); err != nil {
		return drivers.DriverWithDifferOutput{}, err
	}
	st, err := os.Lstat(dest)
	if err != nil {
		return drivers.DriverWithDifferOutput{}, err
	}
	mode := st.Mode()
	return drivers.DriverWithDifferOutput{
		Differ: f, Target: dest, Size: f.res.Size, UIDs: f.res.UIDs, GIDs: f.res.GIDs,
		UncompressedDigest: digest.NewDigestFromEncoded(digest.SHA256, f.res.DiffID.Hex),
		TarSplit:           f.record, RootDirMode: &mode, Metadata: ours,
	}, nil
}

// Close does nothing: the store owns the record from ApplyDiff on.
func (f *filler) Close() error { return nil }

// applyStaged adds a layer to the store atomically. It closes record.
func (s *Store) applyStaged(id, parent string, res archive.Result, record *os.File, fill func(dest string) error) error {
	f := &filler{fill: fill, res: res, record: record}
	if _, err := record.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, record.Close())
	}
	opts := &drivers.ApplyDiffWithDifferOpts{}
	out, err := s.store.PrepareStagedLayer(opts, f)
	if err != nil {
		err = errors.Join(fmt.Errorf("stage layer: %w", err), record.Close())
		if f.dest != "" {
			err = errors.Join(err, removeAll(stagingParent(f.dest)))
		}
		return err
	}
	_, err = s.store.ApplyStagedLayer(storage.ApplyStagedLayerOptions{
		ID: id, ParentLayer: parent, DiffOutput: out, DiffOptions: opts,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("register layer: %w", err), s.store.CleanupStagedLayer(out))
	}
	// The driver has moved the content away and left its parent directory.
	return removeAll(stagingParent(out.Target))
}
