// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.
package engine

import (
	"context"

	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/runc"
)

// Sandbox runs commands, each in a root file system of its own.
type Sandbox interface {
	// Emulate makes sure that programs of an architecture run, "" for this
	// machine's, and otherwise says what is missing.
	Emulate(ctx context.Context, arch string) error
	// Run runs one command, waits for it and kills every process that it left
	// behind. The result is the command's exit status, 128+N when signal N ended
	// it. An error means that the command did not come about, or that ctx ended.
	Run(ctx context.Context, s runc.Step) (status int, err error)
}

// Snapshotter makes roots for steps out of layers.
type Snapshotter interface {
	// Prepare makes a writable root with what is in a layer and those below it;
	// "" is an empty directory.
	Prepare(ctx context.Context, layer string) (Snapshot, error)
	// View shows a layer and those below it, read-only, until it is released.
	View(ctx context.Context, layer string) (*View, error)
}

// Snapshot is a root that a step changes. It ends with Commit or Discard.
type Snapshot interface {
	// Root is the directory.
	Root() string
	// Revert has a path be as it is in the layer below; a directory only if it is
	// empty. The root is not used by a command at that time.
	Revert(path string) error
	// Chown gives a file an owner, relative to an open directory and without
	// following a link, as unix.Fchownat does.
	Chown(dir int, name string, uid, gid int) error
	// Commit makes a layer of what was changed; no time in it is later than clamp,
	// seconds since 1970, nil for no bound. Where nothing was, it is the layer below
	// and false. After an error the snapshot is still to be discarded.
	Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error)
	// Discard removes the snapshot. It is idempotent.
	Discard() error
}

// View is a layer that is only read.
type View struct {
	Root    string
	Release func() error
	Sums    Sums // of what was stored; nil: it is not compared
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
