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

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// A layer whose stored files differ from what was committed is marked:
// GraphRoot/carosbuild/damaged/ID says why. Its step counts as not done, and so do those
// based on it. When the step, or a pull, makes the same layer again, the new files replace
// the damaged ones and the mark is removed, so that images with the layer are good again.

// DamageError says that a stored layer differs from what was stored. It wraps
// ErrDamaged.
type DamageError struct {
	Layer string // its ID
	Path  string // below the root, "" for the whole layer
	What  string // what is different
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("layer %s is damaged in the store: %s", short(e.Layer), e.difference())
}

// difference says what is different, and where.
func (e *DamageError) difference() string {
	if e.Path == "" {
		return e.What
	}
	return terminal.Line("/"+e.Path) + " " + e.What
}

// damage makes a DamageError of an error about the files or the record of a layer.
func damage(layer string, err error) error {
	if m, ok := err.(*archive.Mismatch); ok {
		return &DamageError{layer, m.Path, m.What}
	}
	return err
}

func (e *DamageError) Unwrap() error { return oci.ErrDamaged }

// Damages are all damages that an error reports.
func Damages(err error) []*DamageError {
	switch e := err.(type) {
	case *DamageError:
		return []*DamageError{e}
	case interface{ Unwrap() []error }:
		var out []*DamageError
		for _, one := range e.Unwrap() {
			out = append(out, Damages(one)...)
		}
		return out
	case interface{ Unwrap() error }:
		return Damages(e.Unwrap())
	}
	return nil
}

func damagedFile(graph, id string) string {
	return filepath.Join(graph, "carosbuild", "damaged", id)
}

// MarkDamaged makes the steps whose results need a layer count as not done.
func (s *Store) MarkDamaged(id, why string) error {
	file := damagedFile(s.graph, id)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("mark layer %s as damaged: %w", short(id), err)
	}
	if err := freshfile.Write(file, []byte(why+"\n"), true); err != nil {
		return fmt.Errorf("mark layer %s as damaged: %w", short(id), err)
	}
	return nil
}

func (s *Store) clearDamage(id string) error {
	if err := os.Remove(damagedFile(s.graph, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the mark of damage from layer %s: %w", short(id), err)
	}
	return nil
}

// present reports whether a layer's files are in a store and not marked as damaged.
func present(graph, id string) bool {
	if _, err := os.Lstat(damagedFile(graph, id)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	st, err := os.Stat(filepath.Join(graph, "overlay", id, "diff"))
	return err == nil && st.IsDir()
}

// unmarked returns an error if a layer of a chain is known to be damaged.
func (s *Store) unmarked(id string) error {
	chain, err := s.Chain(id)
	if err != nil {
		return err
	}
	for _, l := range chain {
		if !present(s.graph, l.ID) {
			return &DamageError{l.ID, "", "it has to be made or pulled again"}
		}
	}
	return nil
}

// alsoDamaged adds the other damaged layers of a chain to an error about one, so that one
// build repairs all of them.
func (s *Store) alsoDamaged(ctx context.Context, chain []Layer, err error) error {
	found := Damages(err)
	if len(found) == 0 {
		return err
	}
	for _, l := range chain {
		if slices.ContainsFunc(found, func(d *DamageError) bool { return d.Layer == l.ID }) {
			continue
		}
		if e := s.WriteTar(l, writerFunc(func([]byte) error { return ctx.Err() })); len(Damages(e)) > 0 {
			err = errors.Join(err, e)
		}
	}
	return err
}

// whole reports whether the store has a layer and does not know it to be damaged.
func (s *Store) whole(id string) bool {
	_, ok := s.Layer(id)
	return ok && present(s.graph, id)
}
