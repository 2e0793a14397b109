// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/remotecache"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// buildJob is a build that is about to be done.
type buildJob struct {
	buildID  string
	decl     *decl.Declaration     // nil inside the namespaces
	disks    []diskcmd.DiskOutputs // none for stages only
	plan     *plan.Plan
	resolved *resolve.Resolved // nil inside the namespaces
	dirs     cli.Dirs
	store    layer.Paths
	cache    engine.Cache       // of steps, that of this machine
	shared   *remotecache.Cache // of steps, over that of this machine; nil without one
	past     history.History    // of plans
	epoch    *int64
	started  []history.Started    // stages that begin with a stored image
	info     history.BuildInfo    // what is noted about the build when it begins
	report   history.Report       // what of it is known before the build
	made     []*compose.DiskImage // disks that were written
	// root is the root file system of a stage's layer; nil: what the store's files are.
	root     func(layer string) compose.RootFS
	recorded string   // directory for what apt in steps fetches, "" where it is not kept
	lacking  error    // what a build without a network lacks
	tagged   string   // stage that gets the name of --success-tag, or ""
	pushed   []string // stages that are pushed at the end

	command history.Command       // how the build was called
	skipped []history.SkippedStep // steps that count as done although they failed
	resumed bool                  // the build has failed before
}

// newJob finds out where things are. A job that is only looked at may have directories
// for this run alone.
func newJob(ctx context.Context, a *cli.App, look bool) (*buildJob, error) {
	j := &buildJob{}
	dirs := a.Dirs
	if look {
		dirs = a.DirsOrScratch
	}
	err := a.OpenVendored(ctx)
	if err != nil {
		return nil, err
	}
	if j.dirs, err = dirs(); err != nil {
		return nil, err
	}
	if j.epoch, err = a.SourceDateEpoch(); err != nil {
		return nil, err
	}
	if j.store, err = localstore.Paths(ctx, a); err != nil {
		return nil, err
	}
	return j, nil
}

const readIndices = "read the mirror's indices"

func fetcher(a *cli.App, d cli.Dirs, view render.Display) (*debian.Fetcher, debian.Host, error) {
	f, host, err := a.Debian(d)
	if err != nil {
		return nil, host, fmt.Errorf("read the host's apt configuration: %w", err)
	}
	f.Events = func(e debian.Event) {
		if e.Phase == "resolve" { // each index counts for itself: there is no sum to reach
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: readIndices, Done: e.Done})
		}
	}
	return f, host, nil
}
