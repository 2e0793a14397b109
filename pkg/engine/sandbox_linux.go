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
	// Emulate makes sure that programs of an architecture run ("" is this machine's); its
	// error says what is missing. It is idempotent; Run calls it, too.
	Emulate(ctx context.Context, arch string) error
	// Run runs one command, waits for it and kills every process that it left behind,
	// even one that has its output open. The result is the command's exit status, 128+N
	// if signal N ended it. An error means that the command was not started, for example
	// because its program does not exist, or that ctx ended: then it is ctx's error, and
	// no process of the command runs any more.
	//
	// The command has the environment, directory, user, groups and mounts of the step,
	// and no others; the environment must include HOME. Writes to a read-only mount are
	// refused or lost. Without a network the command reaches nothing, not even the host's
	// loopback. A nil Stdin is empty, and output to a nil stream is discarded. What the
	// command changes in the root stays there. Several commands may run at a time, with
	// different IDs.
	Run(ctx context.Context, s sandbox.Command) (status int, err error)
}

// Network is the network for commands that want one, but name none.
type Network interface {
	// Join connects one command to it. Several commands may be connected at a time.
	Join(ctx context.Context) (sandbox.Connection, error)
}

// Snapshotter makes roots for steps from layers. Several roots may exist at a time, even
// of one layer; none sees changes in another. A layer that does not exist is an error,
// and so is a ctx that has ended.
type Snapshotter interface {
	// Prepare makes a writable root from a layer and those below it; "" gives an empty
	// directory, 0755.
	Prepare(ctx context.Context, layer string) (Snapshot, error)
	// View shows a layer and those below it, read-only, until it is released.
	View(ctx context.Context, layer string) (*View, error)
}

// Snapshot is a root that a step changes. It ends with Commit or Discard; the
// directory is gone then. It is used from one goroutine.
type Snapshot interface {
	// Root is the directory.
	Root() string
	// Revert restores a path of the root to what it is in the layer below, or removes it
	// if it does not exist there. A directory with changes in it stays as it is. An
	// unchanged path is not an error. Links are not followed: one in place of a parent
	// directory is an error. No command may use the root meanwhile. Only the layer of
	// Commit is sure to show the effect.
	Revert(path string) error
	// Owners sets and reads owners, modes and attributes of files in the root.
	Owners() owner.Policy
	// Commit makes a layer of the changes; no time in it is later than clamp, in seconds
	// since 1970, nil for no bound. If nothing was changed, it returns the layer below and
	// false. A snapshot that has ended is an error. After any error, ctx's included, the
	// snapshot must still be discarded.
	Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error)
	// Discard removes the snapshot. It is idempotent, and does nothing after Commit.
	Discard() error
}

// View is a read-only layer: a write is refused, or changes a copy.
type View struct {
	Root    string
	Release func() error // idempotent
	Sums    Sums         // of what was stored; nil: files are not compared
	Owners  owner.Policy // reads the attributes of its files; nil asks the kernel
}

// owners reads the attributes of a view's files.
func (v *View) owners() owner.Policy {
	if v.Owners == nil {
		return owner.Kernel{}
	}
	return v.Owners
}

// Sums are the checksums of what was stored in a layer and those below it.
type Sums interface {
	// Expect reads what was stored, by path.
	Expect(ctx context.Context) (*sums.Expected, error)
	// FindDamage returns an error that says which layer differs from what was stored, given
	// that a path is not as expected. It always returns an error.
	FindDamage(path, what string) error
}

// Puller brings images into the store of layers.
type Puller interface {
	// Pull returns the state of an image, whose reference includes its digest. Events may
	// be nil.
	Pull(ctx context.Context, ref, arch string, events func(oci.Event)) (State, error)
}
