// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/layer/sums"
)

// Expect reads the records of a chain of layers. A layer without a record, such as
// podman's, is read once as a whole, checked against its digest, and recorded.
func (s *Store) Expect(ctx context.Context, id string) (*sums.Expected, error) {
	chain, err := s.Chain(id)
	if err != nil {
		return nil, err
	}
	var layers []*sums.Reader // top first
	for _, l := range slices.Backward(chain) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.readSums(l.ID)
		if errors.Is(err, sums.ErrNone) {
			if err = s.record(l); err == nil {
				r, err = s.readSums(l.ID)
			}
		}
		if err != nil {
			return nil, err
		}
		layers = append(layers, r)
	}
	return sums.Merge(layers), nil
}

// record makes the missing record of a layer.
func (s *Store) record(l Layer) error {
	known := archive.CRCs{}
	if err := s.writeSummed(l, known); err != nil {
		return err
	}
	return s.writeSums(l.ID, s.diffDir(l.ID), known)
}

// maxNamed is how many damages of a layer an error names.
const maxNamed = 5

// FindDamage returns an error that says which layers of a chain differ from their records,
// without reading contents. It is for a chain whose mount was not as expected, so it
// always returns an error.
func (s *Store) FindDamage(id, path, what string) error {
	chain, err := s.Chain(id)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range chain {
		if st, err := os.Stat(s.diffDir(l.ID)); err != nil || !st.IsDir() {
			errs = append(errs, &DamageError{l.ID, "", "its files are missing"})
			continue
		}
		found, err := s.checkFiles(l.ID, maxNamed)
		if err != nil {
			return fmt.Errorf("look for damaged files: %w", err)
		}
		for _, d := range found {
			errs = append(errs, d)
		}
	}
	if len(errs) == 0 {
		return &DamageError{id, path, what}
	}
	return errors.Join(errs...)
}

func (s *Store) sumsFile(id string) string { return filepath.Join(s.graph, "carosbuild", "sums", id) }

// readSums opens the record of a layer and goes to its first entry.
func (s *Store) readSums(id string) (*sums.Reader, error) { return sums.Open(s.sumsFile(id), id) }

// writeSums records the files in dir as those of layer id.
func (s *Store) writeSums(id, dir string, known archive.CRCs) error {
	if err := sums.Make(s.sumsFile(id), id, dir, s.format, known); err != nil {
		return fmt.Errorf("record the files of layer %s: %w", short(id), damage(id, err))
	}
	return nil
}

// checkFiles compares a layer's directory with its record, without reading
// contents. It returns at most limit differences.
func (s *Store) checkFiles(id string, limit int) ([]*DamageError, error) {
	want, err := s.readSums(id)
	if err != nil {
		return nil, err
	}
	found, err := want.Check(s.diffDir(id), s.format, limit)
	var out []*DamageError
	for _, m := range found {
		out = append(out, &DamageError{id, m.Path, m.What})
	}
	return out, err
}
