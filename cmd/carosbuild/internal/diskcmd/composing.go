// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Composer composes the disks.
func Composer(a *cli.App, d cli.Dirs, epoch *int64, events func(progress.Event)) *compose.Composer {
	return &compose.Composer{
		CacheDir: d.Cache, Epoch: epoch, OutputMode: a.OutputMode, Sums: a.Progress != "quiet",
		Now: time.Now, Events: events,
	}
}

// WriteDisks composes the disks and writes them.
func WriteDisks(ctx context.Context, comp *compose.Composer, disks []DiskOutputs, roots map[string]compose.RootFS, stdout io.Writer) ([]*compose.DiskImage, error) {
	images, release, err := comp.Compose(ctx, DisksOf(disks), roots)
	if err != nil {
		return nil, err
	}
	return images, errors.Join(comp.Write(ctx, images, outputsOf(disks), stdout), release())
}

// Results is the stream for lines for scripts: standard output, or standard error if
// a disk is written to standard output.
func (o *DiskFlags) Results(a *cli.App) io.Writer {
	if slices.Contains(o.Out, disk.StandardOutput) {
		return a.Stderr
	}
	return a.Stdout
}
