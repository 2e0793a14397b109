// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/stepflags"
	"github.com/carosio/carosbuild/pkg/history"
)

// planOptions say what is planned: which stages of which declaration, and what the
// names in it are taken for.
type planOptions struct {
	declFiles []string
	wanted    []string // stages to build, instead of a disk
	remotes   []string // NAME=URL of git remotes
	update    bool
	locked    bool // nothing but what is in the lock file
	entry     history.Entry
	localConf []string // lines for bitbake
}

// add defines the flags of planOptions that decide what a plan looks like.
func (o *planOptions) add(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.wanted, "target", "t", nil, "build up to this stage, no disk; may be repeated")
	f.BoolVar(&o.update, "update", false, "resolve suites and image tags again instead of using those that an earlier build pinned")
	f.BoolVar(&o.locked, "locked", false, "use only the versions in the lock file (see carosbuild lock)")
	declfile.RemoteFlag(f, &o.remotes)
	o.chainFlags(f)
}

// chainFlags are those that decide which stages a plan has.
func (o *planOptions) chainFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.entry.Match, "match-build-id", "b", "", "take stages before the target from builds of this id or pattern, where they have them")
	f.StringVarP(&o.entry.Upgrade, "upgrade", "U", "", "run the entry stage on top of this image: an id, REPO:TAG, BUILDID[:STAGE] or a stage of your newest build that has it")
	f.StringVarP(&o.entry.Stage, "entry", "e", "", "with --upgrade: the first stage that runs (default the target)")
	f.StringArrayVarP(&o.localConf, "append-local-conf", "a", nil, "line to append to bitbake's local.conf; may be repeated")
}

// declNames are the names of the declaration's files, without directories.
func (o *planOptions) declNames() []string {
	var names []string
	for _, n := range o.declFiles {
		names = append(names, filepath.Base(n))
	}
	return names
}

// historyName is how the history calls what is built: the names of the files. A CI
// job may have them in another folder each time.
func (o *planOptions) historyName() string { return strings.Join(o.declNames(), "\n") }

// runOptions say how steps run.
type runOptions struct {
	jobs         int
	buildID      string // as the caller wants it, "" for date, time and user
	noCache      bool
	network      string
	forget       bool // failed stages are not kept
	certificates stepflags.Certificates
}

// add defines the flags of runOptions.
func (o *runOptions) add(f *pflag.FlagSet, network string) {
	f.IntVarP(&o.jobs, "jobs", "j", runtime.NumCPU(), "stages to build at a time")
	f.StringVarP(&o.buildID, "new-build-id", "B", "", "build id (default date, time and user)")
	f.BoolVar(&o.noCache, "no-cache", false, "run every step, even if its result is cached")
	f.StringVar(&o.network, "network", network, "network of the steps: auto (without the host's loopback, where pasta can run), host or none")
	f.BoolVarP(&o.forget, "skip-failure-commit", "F", false, "do not keep the half-done stage of a failed step")
}

// viewOptions say that a plan is shown instead of being run, and how.
type viewOptions struct {
	dryRun   bool
	jsonPlan bool
	whyOnly  bool // what runs again, and why
}

// overBuild is a build with an overlay.
func (o *planOptions) overBuild(overlay string) string {
	return fmt.Sprintf("carosbuild %s %s --out ...", render.QuoteArgs(o.declFiles), overlay)
}
