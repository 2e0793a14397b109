// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/progress"
)

// composer is what makes the disks.
func (a *app) composer(d dirs, epoch *int64, events func(progress.Event)) *compose.Composer {
	return &compose.Composer{
		CacheDir: d.cache, Epoch: epoch, OutputMode: a.outputMode, Sums: a.progress != "quiet",
		Now: time.Now, Events: events,
	}
}

// writeDisks makes the disks and writes them.
func writeDisks(ctx context.Context, comp *compose.Composer, disks []diskOutputs, roots map[string]compose.RootFS, stdout io.Writer) ([]*compose.DiskImage, error) {
	images, release, err := comp.Compose(ctx, disksOf(disks), roots)
	if err != nil {
		return nil, err
	}
	return images, errors.Join(comp.Write(ctx, images, outputsOf(disks), stdout), release())
}

// results is where what a script wants to know goes. Where a disk went to
// standard output, that is standard error.
func (o *diskFlags) results(a *app) io.Writer {
	if slices.Contains(o.out, disk.StandardOutput) {
		return a.stderr
	}
	return a.stdout
}
