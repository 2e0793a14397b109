// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// Kind is a kind of snapshots.
type Kind string

// The kinds, the best first: an overlay mount costs nothing and shows what was changed; a
// copy of all files needs no mount, but has to be compared.
const (
	Overlay Kind = "overlay"
	Copy    Kind = "copy"
)

// Kinds are all kinds, the best first.
func Kinds() []Kind { return []Kind{Overlay, Copy} }

// Driver makes roots from the directories of layers, which are given top first.
type Driver interface {
	// Prepare makes a writable root below dir, an empty directory. After an error,
	// nothing is mounted there.
	Prepare(ctx context.Context, dir string, lowers []string) (Snapshot, error)
	// View shows at least one layer, below dir, an empty directory. The id is that of the
	// top layer. After release, dir is not used any more.
	View(ctx context.Context, dir, id string, lowers []string) (root string, release func() error, err error)
}

// Snapshot is a root of a Driver. It is used from one goroutine at a time.
type Snapshot interface {
	Root() string
	// Revert restores a path below the root to what the layers have. It is relative and
	// clean; "." is the root. A directory that is not empty stays as it is.
	Revert(name string) error
	// End makes the root invisible to others. It is called before changes move into the
	// store, since later writes to the root would change the layer.
	End() error
	// Changes leaves in ChangesDir what differs from the layers, in the form of an overlay
	// upper directory. It is called after End.
	Changes(ctx context.Context, clamp *int64) error
}

// ChangesDir is the subdirectory of a snapshot's directory that has the changes.
const ChangesDir = "upper"

// Options of New.
type Options struct {
	Format archive.Format // of the layers' directories
	Mounts bool           // this process may mount, even for copies
	// Mkdir makes a directory for the copy of a view. It stays.
	Mkdir func() (string, error)
}

// New returns the driver of a kind.
func New(k Kind, o Options) (Driver, error) {
	switch k {
	case Overlay:
		return detectOverlay()
	case Copy:
		return &copier{Options: o}, nil
	}
	return nil, fmt.Errorf("unknown kind of snapshots %q", k)
}

// Prefix is the prefix of the extended attributes with which layers' directories mark what
// overlay mounts need to know, for snapshots of a kind. For copies, which are not mounted,
// it is one that all processes can read: those that share a store may differ in
// capabilities of the host.
func Prefix(k Kind) (string, error) {
	if k == Copy {
		return archive.UserOverlay, nil
	}
	o, err := detectOverlay()
	return o.prefix, err
}
