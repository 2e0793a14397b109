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
	Runtime string // OCI runtime to use, "" for any
	Kernel  string // of virtual machines, see Setting
	Cache   string // as in Setting
	// Mirror returns where packages would be downloaded from; nil: none can be downloaded.
	Mirror func() (string, error)
	Store  string // directory on the file system of the store; "" for the temporary one
}

// Rung is one way of running steps.
type Rung struct {
	Name string // for users
	Cost string // its cost compared to others, in a few words
	How  userns.How
	// Look checks quickly, in the outer process, what would prevent it. Entering finds the
	// rest. If Look is nil, Try is called before each start.
	Look func(ctx context.Context, h Host) error
	// Detail, unless nil, says what the rung would use here, for a table.
	Detail func(h Host) string
	// Try really tries, in a child if necessary, and leaves nothing. The error is a
	// remedy.Error.
	Try func(ctx context.Context, h Host) error
	// Snapshots are the kinds that can be tried for the store of layers, the best first.
	Snapshots []snapshot.Kind
	// Store is the store of layers.
	Store Store
	// Stored, unless nil, gives disks access to the layers of a store, without anything that
	// runs steps; nil says that the files of a layer have its metadata. Dir is as in Setting.
	Stored func(s *layer.Store, dir string) (Stored, error)
	// Prepare, unless nil, prepares the inner process before it opens the store.
	Prepare func() error
	// Open makes what steps need, in the inner process.
	Open func(ctx context.Context, s Setting) (*Room, error)
}

// Store says which store of layers is used, and where its owners are kept. If the kernel
// does not have the owners of the layers, neither podman nor another rung can use the store,
// so its name has a suffix of its own.
type Store struct {
	Suffix string       // of the names of its directories and of caches
	Owners owner.Policy // as in layer.Options
}

// Faithful reports whether the files of the store have, according to Owners, the metadata of
// their layers.
func (s Store) Faithful() bool {
	_, forgets := s.Owners.(owner.Own)
	return !forgets
}

// Setting is what a rung is opened with.
type Setting struct {
	// Dir is a directory of the account. Its contents are removed when the Room is closed or
	// the process ends, or else when the next process opens a Room there.
	Dir     string
	Runtime string // as in Host
	Records string // file with the records of owners, for a rung that has them
	// Kernel is the kernel of virtual machines: a Debian package, or a directory with
	// boot/vmlinuz-VERSION and lib/modules/VERSION; "" finds one.
	Kernel string
	Cache  string // directory for what may be deleted between builds
	// Packages downloads what the rung lacks; nil: nothing is downloaded, and Open fails with
	// ErrNotFetched if it lacks something.
	Packages func() (*debian.Fetcher, debian.Host, error)
	Note     func(text string) // called with changes after the rung is open; may be nil
	Jobs     int               // steps at a time, less than 1 means 1
	// StepMemory is how much memory a step may use, in bytes, 0 for no limit.
	StepMemory int64
}

// ErrNotFetched says that a rung lacks something that it was not allowed to download.
var ErrNotFetched = errors.New("nothing was to be fetched")

// Room is an opened rung.
type Room struct {
	Scratch string // empty directory for files that live as long as the process
	Sandbox engine.Sandbox
	What    string // what runs the commands, for messages, such as the runtime's path
	// Details are details for the user, such as "with KVM"; "" for none.
	Details string
	// Resolver is /etc/resolv.conf for steps; nil: the host's.
	Resolver []byte
	// Joins says that commands can join an existing network namespace; WayOut that they have
	// their own network, which does not lead to the host's loopback.
	Joins, WayOut bool
	// Reach lets steps that have a network reach a server on this machine's loopback, given by
	// URL, and returns the URL for them; nil: they reach what this process reaches.
	Reach func(address string) string
	// Stored gives steps and disks access to the layers of a store; nil: the files of a layer
	// have its metadata.
	Stored func(s *layer.Store) Stored

	close []func() error // in the order of opening
}

// Stored is a store of layers whose files do not have the metadata of the layers.
type Stored interface {
	engine.Snapshotter
	// Tree returns the root file system of a layer and those below it, with no time later than
	// clamp (seconds since 1970; 0 means no bound), until close is called.
	Tree(ctx context.Context, layer string, clamp int64, jobs int) (t *tree.Tree, close func() error, err error)
	// Close releases it. That of a Room ends with the Room, too.
	Close() error
}

// Close releases a Room.
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

// tryPlace refuses a place for the store that only a rung with its own mounts could use.
func tryPlace(store string) error {
	if store == "" {
		return nil
	}
	if err := snapshot.CheckPlace(store); err != nil {
		return &remedy.Error{Tried: err.Error(), Cure: "have the store on a volume or another file system: CAROSBUILD_HOME=DIR"}
	}
	return nil
}
