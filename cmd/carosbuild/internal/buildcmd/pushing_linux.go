// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// terminal reports whether a shell can be opened when a step fails.
func (c *buildCommand) terminal() bool { return onTerminal() }

// pusher writes images of the store elsewhere.
type pusher struct {
	store  *layer.Store
	client registry.Client
	blobs  oci.BlobCache
	note   func(text string)
}

func (c *buildCommand) pusher(j *buildJob, store *layer.Store, view render.Display) *pusher {
	p := &pusher{store: store, client: c.Registry(j.store), blobs: j.dirs.Blobs()}
	p.client.Events = c.Transfers(view)
	p.note = func(text string) {
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text, Good: true})
	}
	return p
}

func (p *pusher) send(ctx context.Context, image, to string, how oci.Compression) (ref string, err error) {
	return p.client.Send(ctx, p.store, image, to, oci.PushOptions{Cache: p.blobs, Compression: how})
}

// pushResults pushes the stages that were asked for.
func (c *buildCommand) pushResults(ctx context.Context, j *buildJob, store *layer.Store, view render.Display, res *engine.Result) error {
	p := c.pusher(j, store, view)
	for _, template := range c.push {
		for _, stage := range c.resultStages(j) {
			to, err := pushTarget(template, pushNames(stage, j.buildID, j.info.Started))
			if err != nil {
				return err
			}
			ref, err := p.send(ctx, res.Stages[stage].Image, to, oci.Gzip)
			if err != nil {
				return fmt.Errorf("the build is done, but stage %s was not pushed: %w", stage, err)
			}
			p.note("pushed stage " + stage + " to " + ref)
		}
	}
	return nil
}

// pushHalfDone pushes the half-done stage that a failed step has left, and notes where in
// the step's error. What goes wrong is only a warning: the error of the build is another.
func (c *buildCommand) pushHalfDone(ctx context.Context, p *pusher, j *buildJob, step *plan.StepError, image string) {
	if image == "" {
		p.note("warning: nothing was pushed: the step has left no half-done stage")
		return
	}
	// Who waits for the error of the build is not to wait for a registry that is down.
	p.client.Backoff.Duration, p.client.Backoff.Factor, p.client.Backoff.Jitter, p.client.Backoff.Steps = 500*time.Millisecond, 3, 0.2, 3
	p.client.Deadlines.Headers, p.client.Deadlines.Small = 20*time.Second, 20*time.Second
	for _, template := range c.pushFailed {
		to, err := failedTarget(template, pushNames(step.Stage, j.buildID, j.info.Started))
		if err == nil {
			_, err = p.send(ctx, image, to, oci.Zstd) // the fastest
		}
		if err != nil {
			p.note("warning: the half-done stage was not pushed: " + err.Error())
			continue
		}
		step.Pushed = to
	}
}
