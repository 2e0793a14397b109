// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/userns"
)

// userNamespace is the first rung: a user namespace with ranges of ids, and an OCI runtime in
// it.
func userNamespace() Rung {
	const how = userns.Ranges
	look := func(_ context.Context, h Host) error {
		if err := userns.CheckIDs(h.Account); err != nil {
			return err
		}
		_, err := runc.Look(h.Runtime)
		return err
	}
	return Rung{
		Name: "userns", Cost: "at full speed, with real owners", How: how, Look: look, Snapshots: snapshot.Kinds(),
		Try: func(ctx context.Context, h Host) error {
			return errors.Join(look(ctx, h), entering(how)(ctx, h))
		},
		Open: func(_ context.Context, s Setting) (*Room, error) {
			scratch, release, err := memoryScratch(s.Dir)
			if err != nil {
				return nil, err
			}
			rt, err := runc.FindRuntime(s.Runtime, filepath.Join(scratch, "runtime"))
			if err != nil {
				return nil, errors.Join(err, release())
			}
			rt.BoundProc = !userns.OwnPIDs()
			return &Room{Scratch: scratch, Sandbox: rt, What: rt.Path, Joins: true, close: []func() error{release}}, nil
		},
	}
}
