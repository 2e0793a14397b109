// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
)

// afterFailure does what is asked for when a build has failed. All its other stages have
// ended. The error stays that of the build.
func (c *buildCommand) afterFailure(ctx context.Context, e *engine.Engine, j *buildJob, store *layer.Store, view render.Display, failed error) error {
	step, ok := errors.AsType[*plan.StepError](failed)
	if !ok || ctx.Err() != nil {
		return failed
	}
	img, err := halfDone(store, step)
	if err != nil {
		return errors.Join(failed, err)
	}
	if len(c.pushFailed) > 0 { // as it is now, without what is changed in a shell
		c.pushHalfDone(ctx, c.pusher(j, store, view), j, step, img.ID)
	}
	if l, local := e.Executor.(*engine.Local); c.onFailure == openShell && local && img.ID != "" {
		view.Close()
		c.Report(failed)
		if err := c.shellInside(ctx, l, j, store, step, img); err != nil {
			c.Say(fmt.Errorf("shell in the failed step: %w", err))
		}
		return cli.Said(failed)
	}
	return failed
}

// halfDone is the image that a failed step has left, the zero image for none.
func halfDone(store *layer.Store, step *plan.StepError) (layer.Image, error) {
	id, tag, ok := strings.Cut(step.Image, ":")
	if !ok {
		return layer.Image{}, nil
	}
	img, _, err := store.ImageByName(history.ImageName(id, tag))
	return img, err
}

// shellInside opens a shell in a failed step. What it changes is kept in the half-done
// stage. Its exit status counts for nothing.
func (c *buildCommand) shellInside(ctx context.Context, l *engine.Local, j *buildJob, store *layer.Store, step *plan.StepError, img layer.Image) error {
	cfg, _, err := store.Config(img)
	if err != nil {
		return err
	}
	sh := engine.Shell{
		BuildID: j.buildID, Job: j.plan.Job(step.Stage), Step: max(step.Step-1, 0), State: engine.State{Layer: img.Top, Config: cfg}, Args: []string{"/bin/sh", "-i"},
		Keep: keepFailed(store, j.buildID, step.Stage),
	}
	attach(c.App, &sh)
	fmt.Fprintf(c.Stderr, "a shell in the failed step: its changes are kept in %s, for carosbuild resume %s --skip\n", step.Image, j.buildID)
	_, err = l.Shell(ctx, sh)
	return err
}

// keepFailed puts what a shell has changed in place of a half-done stage.
func keepFailed(store *layer.Store, buildID, stage string) func(context.Context, engine.State) error {
	return func(ctx context.Context, s engine.State) error {
		_, err := engine.StoredImages{Names: history.Keeper{Store: store, BuildID: buildID}}.Failed(ctx, stage, s)
		return err
	}
}
