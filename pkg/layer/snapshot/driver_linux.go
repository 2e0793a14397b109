// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// Kind is a kind of snapshots.
type Kind string

// The kinds, in the order in which they are good: an overlay mount costs nothing and
// shows what was changed; a copy of all files needs no mount, and is compared.
const (
	Overlay Kind = "overlay"
	Copy    Kind = "copy"
)

// Kinds are all kinds, the best first.
func Kinds() []Kind { return []Kind{Overlay, Copy} }

// Driver makes roots of the directories of layers, which are given top first.
type Driver interface {
	// Prepare makes a writable root below dir, an empty directory. After an error,
	// nothing is mounted there.
	Prepare(ctx context.Context, dir string, lowers []string) (Snapshot, error)
	// View shows layers, of which there is one at least, below dir, an empty directory.
	// The id is that of the top one. Release gives dir up.
	View(ctx context.Context, dir, id string, lowers []string) (root string, release func() error, err error)
}

// Snapshot is a root of a Driver. It is used from one goroutine at a time.
type Snapshot interface {
	Root() string
	// Revert has a path below the root be as the layers have it. It is relative and clean;
	// "." is the root. Of a directory that is not empty everything stays.
	Revert(name string) error
	// End ends what others see of the root. It comes before changes move into the store,
	// for whoever writes to the root after that would write into the layer.
	End() error
	// Changes leaves in ChangesDir what differs from the layers, in the form of overlay's
	// upper directory. It comes after End.
	Changes(ctx context.Context, clamp *int64) error
}

// ChangesDir is where in its directory a snapshot has what was changed.
const ChangesDir = "upper"

// Options of New.
type Options struct {
	Format archive.Format // of what the layers' directories have
	Mounts bool           // this process may mount, for copies, too
	// Mkdir makes a directory for a copy that is looked at. It stays.
	Mkdir func() (string, error)
}

// New is the driver of a kind.
func New(k Kind, o Options) (Driver, error) {
	switch k {
	case Overlay:
		return detectOverlay()
	case Copy:
		return &copier{Options: o}, nil
	}
	return nil, fmt.Errorf("unknown kind of snapshots %q", k)
}

// Prefix is that of the extended attributes by which the directories of layers say what
// overlay mounts have to know, for snapshots of a kind. Copies have no mounts, and one that
// all processes can read: some have capabilities of the host and others do not, in one store.
func Prefix(k Kind) (string, error) {
	if k == Copy {
		return archive.UserOverlay, nil
	}
	o, err := detectOverlay()
	return o.prefix, err
}
