// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
)

// Images is where images are put.
type Images interface {
	PutImage(ctx context.Context, names []string, top string, config oci.Config) (id string, err error)
}

// Keeper names what the stages of a build leave, as images of a store:
// localhost/carosbuild/BUILDID:STAGE, what a stage was before its own steps
// STAGE-start, and how a failed step left it STAGE-failure.
type Keeper struct {
	Store   Images
	BuildID string
	Plan    *plan.Plan
}

// Done names a finished stage and returns the id of its image.
func (k Keeper) Done(ctx context.Context, stage, layer string, config oci.Config) (id string, err error) {
	return k.Store.PutImage(ctx, imageNames(k.Plan, k.BuildID, stage), layer, config)
}

// Start names what a stage without a parent begins with: what its bootstrap or
// FROM has made. A start whose name another stage has is not kept.
func (k Keeper) Start(ctx context.Context, stage, layer string, config oci.Config) error {
	names := startName(k.Plan, k.BuildID, stage)
	if len(names) == 0 {
		return nil
	}
	if _, err := k.Store.PutImage(ctx, names, layer, config); err != nil {
		return fmt.Errorf("keep the start: %w", err)
	}
	return nil
}

// Failed names a half-done stage and returns the name, BUILDID:STAGE-failure; ""
// if it would be longer than a tag may be.
func (k Keeper) Failed(ctx context.Context, stage, layer string, config oci.Config) (name string, err error) {
	if len(stage+failureSuffix) > maxTag {
		return "", nil
	}
	_, err = k.Store.PutImage(ctx, []string{ImageName(k.BuildID, stage+failureSuffix)}, layer, config)
	return k.BuildID + ":" + stage + failureSuffix, err
}
