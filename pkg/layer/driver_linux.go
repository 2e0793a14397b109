// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"path"
	"strings"
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

// driver makes roots of the directories of layers, which are given top first.
type driver interface {
	// prepare makes a writable root below dir, an empty directory. After an error,
	// nothing is mounted there.
	prepare(ctx context.Context, dir string, lowers []string) (snapshot, error)
	// view shows layers, of which there is one at least, below dir, an empty directory.
	// The id is that of the top one. Release gives dir up.
	view(ctx context.Context, dir, id string, lowers []string) (root string, release func() error, err error)
}

// snapshot is a root of a driver. It is used from one goroutine at a time.
type snapshot interface {
	root() string
	// revert has a path below the root be as the layers have it, see Working.Revert.
	revert(name string) error
	// end ends what others see of the root. It comes before changes move into the store,
	// for whoever writes to the root after that would write into the layer.
	end() error
	// changes leaves in changesDir what differs from the layers, in the form of overlay's
	// upper directory. It comes after end.
	changes(ctx context.Context, clamp *int64) error
}

// changesDir is where in its directory a snapshot has what was changed.
const changesDir = "upper"

// cleanName is a path below a root, without a leading slash; "." is the root.
func cleanName(name string) string {
	if rel := strings.TrimPrefix(path.Clean("/"+name), "/"); rel != "" {
		return rel
	}
	return "."
}
