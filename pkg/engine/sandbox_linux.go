// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
)

// Sandbox runs commands, each in its own root file system.
type Sandbox interface {
	// Emulate makes sure that programs of an architecture run, "" for this
	// machine's, and otherwise says what is missing. It is idempotent; Run does it, too.
	Emulate(ctx context.Context, arch string) error
	// Run runs one command, waits for it and kills every process that it left
	// behind, also one that has its output open. The result is the command's exit
	// status, 128+N when signal N ended it. An error means that the command was not
	// started, for example because its program does not exist, or that ctx ended: then it
	// is ctx's, and nothing of the command runs any more.
	//
	// The command has the environment, the directory, the user with his groups and
	// the mounts of the step, and no others; HOME has to be among the environment. What
	// it writes to a mount that is only for reading is refused or lost.
	// Without a network it reaches nothing, not even the host's loopback. A nil stream is
	// empty, or thrown away. What the command changes in the root stays there. Several
	// commands may run at a time, with different IDs.
	Run(ctx context.Context, s sandbox.Command) (status int, err error)
}

// Network is one for commands that want a network, and none in particular.
type Network interface {
	// Join is how one command has it. Several commands may have it at a time.
	Join(ctx context.Context) (sandbox.Connection, error)
}

// Snapshotter makes roots for steps out of layers. Several may exist at a time,
// also of one layer; none sees what is changed in another. A layer that does not exist
// is an error, and so is a ctx that has ended.
type Snapshotter interface {
	// Prepare makes a writable root with what is in a layer and those below it;
	// "" is an empty directory, 0755.
	Prepare(ctx context.Context, layer string) (Snapshot, error)
	// View shows a layer and those below it, read-only, until it is released.
	View(ctx context.Context, layer string) (*View, error)
}

// Snapshot is a root that a step changes. It ends with Commit or Discard; the
// directory is gone then. It is used from one goroutine.
type Snapshot interface {
	// Root is the directory.
	Root() string
	// Revert makes a path of the root as it is in the layer below, and removes it if it
	// does not exist there. A directory in which something was changed stays as it is. A path that was not changed is fine. Links are not followed: one in
	// place of a directory on the way is an error. No command may use the root
	// at that time. Only the layer of Commit is sure to show what was reverted.
	Revert(path string) error
	// Owners sets and reads owners, modes and attributes of files in the root.
	Owners() owner.Policy
	// Commit makes a layer of what was changed; no time in it is later than clamp,
	// seconds since 1970, nil for no bound. If nothing was changed, it returns the layer
	// below and false. A snapshot that has ended is an error. After an error, that of a ctx
	// that has ended included, the snapshot is still to be discarded.
	Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error)
	// Discard removes the snapshot. It is idempotent, and does nothing after Commit.
	Discard() error
}

// View is a layer that is only read: a write is refused, or changes a copy.
type View struct {
	Root    string
	Release func() error // idempotent
	Sums    Sums         // of what was stored; nil: it is not compared
	Owners  owner.Policy // says what its files have; nil asks the kernel
}

// owners says what files of a view have.
func (v *View) owners() owner.Policy {
	if v.Owners == nil {
		return owner.Kernel{}
	}
	return v.Owners
}

// Sums know what was stored in a layer and those below it.
type Sums interface {
	// Expect reads what was stored, by path.
	Expect(ctx context.Context) (*sums.Expected, error)
	// FindDamage says which layer is not as it was stored, when a path is not as
	// expected. An error comes back in any case.
	FindDamage(path, what string) error
}

// Puller brings images into the store of layers.
type Puller interface {
	// Pull returns the state of an image, whose reference has its digest. Events
	// may be nil.
	Pull(ctx context.Context, ref, arch string, events func(oci.Event)) (State, error)
}
