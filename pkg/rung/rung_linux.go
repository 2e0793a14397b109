// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/userns"
)

// Host is who asks, and for what.
type Host struct {
	Account userns.Account
	Runtime string // OCI runtime that is to be taken, "" for any
	Kernel  string // of virtual machines, see Setting
	Cache   string // as in Setting
	// Mirror is where packages would be fetched from; nil: from nowhere.
	Mirror func() (string, error)
	Store  string // directory on the file system of the store; "" for the temporary one
}

// Rung is one way of running steps.
type Rung struct {
	Name string // as it is asked for
	Cost string // what it costs beside others, a few words
	How  userns.How
	// Look finds out quickly, in the outer process, what would be in the way. What is
	// left is found out by entering. Nil wants Try before each start.
	Look func(ctx context.Context, h Host) error
	// Detail, unless it is nil, says what the rung would use here, for a table.
	Detail func(h Host) string
	// Try really tries, in a child where it must, and leaves nothing. The error is a
	// remedy.Error.
	Try func(ctx context.Context, h Host) error
	// Snapshots are the kinds that can be tried for the store of layers, the best first.
	Snapshots []snapshot.Kind
	// Store is the store of layers.
	Store Store
	// Stored, unless it is nil, is what the layers of a store are to disks, without anything
	// that runs steps: nil says that a layer is what its files are. Dir is as in Setting.
	Stored func(s *layer.Store, dir string) (Stored, error)
	// Prepare, unless it is nil, prepares the inner process before it opens the store.
	Prepare func() error
	// Open makes what steps need, in the inner process.
	Open func(ctx context.Context, s Setting) (*Room, error)
}

// Store says which store of layers is used, and whose owners count there. Where the kernel
// does not know the owners that layers say, neither podman nor another rung can use the
// store: its name has a suffix of its own.
type Store struct {
	Suffix string       // of the names of its directories, and of caches
	Owners owner.Policy // as in layer.Options
}

// Faithful reports whether the files of the store have, as Owners say, the metadata that
// their layers say.
func (s Store) Faithful() bool {
	_, forgets := s.Owners.(owner.Own)
	return !forgets
}

// Setting is where a rung is opened.
type Setting struct {
	// Dir is a directory of the account. What is below it is gone when the Room is
	// closed or the process ends, at the latest with the next one that opens a Room there.
	Dir     string
	Runtime string // as in Host
	Records string // file with the records of owners, of a rung that has them
	// Kernel is that of virtual machines: a package of Debian's, or a directory with
	// boot/vmlinuz-VERSION and lib/modules/VERSION; "" finds one.
	Kernel string
	Cache  string // directory for what may be deleted between builds
	// Packages fetch what the rung lacks; nil: nothing is fetched, and Open fails with
	// ErrNotFetched where it lacks something.
	Packages func() (*debian.Fetcher, debian.Host, error)
	Note     func(text string) // hears what changes once the rung is open; may be nil
	Jobs     int               // steps at a time, less than 1 means 1
	// StepMemory is what a step may use, in bytes, 0 for no limit.
	StepMemory int64
}

// ErrNotFetched says that a rung lacks what it could have fetched.
var ErrNotFetched = errors.New("nothing was to be fetched")

// Room is an opened rung.
type Room struct {
	Scratch string // empty directory for files that live as long as the process
	Sandbox engine.Sandbox
	What    string // runs the commands, as messages name it: such as the runtime's path
	// Details are what a user is told of it, such as "with KVM"; "" for nothing.
	Details string
	// Resolver is /etc/resolv.conf of steps; nil: the host's.
	Resolver []byte
	// Joins says that commands can be in a network namespace that there is; WayOut that they have
	// a network of their own, which does not lead to the host's loopback.
	Joins, WayOut bool
	// Reach lets steps that have a network reach a server on this machine's loopback, which a
	// URL names, and is the URL for them; nil: they reach what this process reaches.
	Reach func(address string) string
	// Stored are what the layers of a store are to steps and disks; nil: a layer is what
	// its files are.
	Stored func(s *layer.Store) Stored

	close []func() error // in the order of opening
}

// Stored is a store of layers whose files do not have the metadata of the layers.
type Stored interface {
	engine.Snapshotter
	// Tree is the root file system of a layer and those below it, with no time later than
	// clamp (seconds since 1970; 0 leaves them), until close is called.
	Tree(ctx context.Context, layer string, clamp int64, jobs int) (t *tree.Tree, close func() error, err error)
	// Close gives it up. That of a Room ends with the Room, too.
	Close() error
}

// Close gives a Room up.
func (r *Room) Close() error {
	var errs error
	for len(r.close) > 0 {
		last := r.close[len(r.close)-1]
		r.close = r.close[:len(r.close)-1]
		errs = errors.Join(errs, last())
	}
	return errs
}

// entering tries to arrive in the inner process.
func entering(how userns.How) func(context.Context, Host) error {
	return func(ctx context.Context, h Host) error {
		_, err := userns.Enter(ctx, userns.Entry{Account: h.Account, How: how, Args: []string{"carosbuild"}, Trial: true})
		return err
	}
}

// tryPlace refuses a place for the store that only a rung with mounts of its own can do
// without.
func tryPlace(store string) error {
	if store == "" {
		return nil
	}
	if err := snapshot.CheckPlace(store); err != nil {
		return &remedy.Error{Tried: err.Error(), Cure: "have the store on a volume or another file system: CAROSBUILD_HOME=DIR"}
	}
	return nil
}
