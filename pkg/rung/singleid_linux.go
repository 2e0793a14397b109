// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/binfmt"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/supervisor"
	"github.com/carosio/carosbuild/pkg/userns"
)

// singleID is the rung for an account without subordinate ids: a user namespace with only the
// account's id, in which a supervisor records the owners that steps give to files.
func singleID() Rung {
	const how = userns.OneID
	look := func(context.Context, Host) error { return trySupervisor() }
	return Rung{
		Name: "single-id", Cost: "with exact owners, which a supervisor records, and a copy of the stage for each step", How: how,
		Look: look, Snapshots: []snapshot.Kind{snapshot.Copy}, Store: Store{"-one-id", &owner.Recorded{}},
		Try: func(ctx context.Context, h Host) error {
			if err := look(ctx, h); err != nil {
				return err
			}
			return entering(how)(ctx, h)
		},
		Open: func(_ context.Context, s Setting) (*Room, error) {
			if s.Records == "" {
				return nil, errors.New("sandbox single-id: the store does not record owners")
			}
			scratch, release, err := memoryScratch(s.Dir)
			if err != nil {
				return nil, err
			}
			trials := filepath.Join(scratch, "runtime")
			if err := os.Mkdir(trials, 0o700); err != nil {
				return nil, errors.Join(err, release())
			}
			return &Room{
				Scratch: scratch, Sandbox: &supervisor.Sandbox{State: trials, Table: s.Records, Emulators: binfmt.Emulators{Scratch: trials}},
				What: "supervisor", Joins: true, close: []func() error{release},
			}, nil
		},
	}
}

// trySupervisor tries what the supervisor needs from the kernel.
func trySupervisor() error {
	if err := supervisor.Try(); err != nil {
		return &remedy.Error{
			Tried: "record owners", Err: err,
			Cure: "Linux 5.14 or later; inside a container: a seccomp profile that permits seccomp and has no supervisor of its own",
		}
	}
	return nil
}
