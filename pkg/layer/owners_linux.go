// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// openOwners makes a policy the store's, and opens the records of owners. A store whose
// files have owners of the other kind is refused.
func (s *Store) openOwners(p owner.Policy) error {
	s.owners = p
	if p == nil {
		s.owners = owner.Kernel{}
	}
	_, want := p.(*owner.Recorded)
	file := filepath.Join(s.graph, "carosbuild", "owners")
	_, err := os.Lstat(file)
	has := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !want {
		if has {
			return &remedy.Error{
				Tried: "the owners of its files are only recorded, because it was written in a user namespace with a single id",
				Cure:  "use it with --sandbox=single-id, or use another store: XDG_DATA_HOME=DIR, or graphroot in storage.conf",
			}
		}
		return nil
	}
	if !has {
		layers, err := s.store.Layers()
		if err != nil {
			return fmt.Errorf("list layers: %w", err)
		}
		if len(layers) > 0 {
			return &remedy.Error{
				Tried: "the owners of its files are not recorded, as a user namespace with a single id requires",
				Cure:  "use another store: XDG_DATA_HOME=DIR, or graphroot in storage.conf",
			}
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
	}
	if s.table, err = record.OpenTable(file); err != nil {
		return err
	}
	s.owners, s.ownersFile = &owner.Recorded{Table: s.table}, file
	return nil
}

func (s *Store) closeOwners() error {
	if s.table == nil {
		return nil
	}
	return s.table.Close()
}

// Owners sets and reads owners and the like in snapshots and views.
func (s *Store) Owners() owner.Policy { return s.owners }

// TreeOwners are Owners where they are records, and nil where the kernel knows.
func (s *Store) TreeOwners() owner.Policy { return s.format.Owners }

// OwnersFile has the records of owners of links and the like, see package record; "" where
// the store keeps none.
func (s *Store) OwnersFile() string { return s.ownersFile }
