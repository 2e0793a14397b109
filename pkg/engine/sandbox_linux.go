// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
)

// Sandbox runs commands, each in a root file system of its own.
type Sandbox interface {
	// Emulate makes sure that programs of an architecture run, "" for this
	// machine's, and otherwise says what is missing. It is idempotent; Run does it, too.
	Emulate(ctx context.Context, arch string) error
	// Run runs one command, waits for it and kills every process that it left
	// behind, also one that has its output open. The result is the command's exit
	// status, 128+N when signal N ended it. An error means that the command did not
	// come about, its program not existing included, or that ctx ended: then it is
	// ctx's, and nothing of the command runs any more.
	//
	// The command has the environment, the directory, the user with his groups and
	// the mounts of the step, and no others; HOME has to be among the environment. What
	// it writes to a mount that is only for reading is refused or lost.
	// Without a network it reaches nothing, the host's loopback included. Streams that are nil are empty or thrown away. What the command changes
	// in the root stays there. Several commands may run at a time, each with an ID of
	// its own.
	Run(ctx context.Context, s sandbox.Command) (status int, err error)
}

// Snapshotter makes roots for steps out of layers. Several may be there at a time,
// also of one layer; none sees what is changed in another. A layer that there is not
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
	// Revert has a path of the root be as it is in the layer below, gone if it is not
	// there; a directory only if nothing in it was changed, and otherwise it stays as
	// it is. A path where nothing was changed is fine. Links are not followed: one in
	// place of a directory on the way is an error. The root is not used by a command
	// at that time, and may show what was reverted only in the layer of Commit.
	Revert(path string) error
	// Owners sets owners and the like in the root, and says what files there have.
	Owners() owner.Policy
	// Commit makes a layer of what was changed; no time in it is later than clamp,
	// seconds since 1970, nil for no bound. Where nothing was, it is the layer below
	// and false. A snapshot that has ended is an error. After an error, that of a ctx
	// that has ended included, the snapshot is still to be discarded.
	Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error)
	// Discard removes the snapshot. It is idempotent, and does nothing after Commit.
	Discard() error
}

// View is a layer that is only read: whoever writes is refused, or changes a copy.
type View struct {
	Root    string
	Release func() error // idempotent
	Sums    Sums         // of what was stored; nil: it is not compared
	// Look says what a file is, and its extended attributes, where the kernel does not
	// know; nil asks the kernel. Links are not followed.
	Look func(dir int, name string) (unix.Stat_t, map[string][]byte, error)
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
