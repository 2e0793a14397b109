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

// openOwners sets the store's owner policy, and opens the records of owners. A store whose
// owners are kept in the other way is refused.
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

// Owners sets and reads owners, modes and attributes in snapshots and views.
func (s *Store) Owners() owner.Policy { return s.owners }

// TreeOwners returns Owners if owners are recorded, and nil if the kernel has them.
func (s *Store) TreeOwners() owner.Policy { return s.format.Owners }

// OwnersFile is the file with the records of owners of links and the like, see package
// record; "" if the store does not record owners.
func (s *Store) OwnersFile() string { return s.ownersFile }
