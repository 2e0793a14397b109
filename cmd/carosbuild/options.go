// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	f.BoolVar(&o.update, "update", false, "resolve suites and image tags anew instead of as pinned by an earlier build")
	f.BoolVar(&o.locked, "locked", false, "take nothing but what the lock file has (see carosbuild lock)")
	o.remoteFlag(f)
	o.chainFlags(f)
}

// remoteFlag defines --remote.
func (o *planOptions) remoteFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&o.remotes, "remote", nil, "NAME=URL: take the git remote NAME, or addresses that begin so, from this address or directory; may be repeated")
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
	jobs    int
	buildID string // as the caller wants it, "" for date, time and user
	noCache bool
	network string
	forget  bool // failed stages are not kept
}

// add defines the flags of runOptions.
func (o *runOptions) add(f *pflag.FlagSet, network string) {
	f.IntVarP(&o.jobs, "jobs", "j", runtime.NumCPU(), "stages to build at a time")
	f.StringVarP(&o.buildID, "new-build-id", "B", "", "build id (default date, time and user)")
	f.BoolVar(&o.noCache, "no-cache", false, "run every step, whatever is stored")
	f.StringVar(&o.network, "network", network, "network of the steps: host or none")
	f.BoolVarP(&o.forget, "skip-failure-commit", "F", false, "do not keep the half-done stage of a failed step")
}

// viewOptions say that a plan is shown instead of being run, and how.
type viewOptions struct {
	dryRun   bool
	jsonPlan bool
	whyOnly  bool // what runs again, and why
}

// verifyOptions say whether a disk is booted when it is written, and how.
type verifyOptions struct {
	verify bool
	vm     bootCommand
}

// add defines the flags of verifyOptions.
func (o *verifyOptions) add(cmd *cobra.Command, a *app) {
	f := cmd.Flags()
	f.BoolVar(&o.verify, "verify-boot", false, "boot the disk in QEMU and wait for what its <expect> says (--firmware, --memory, --accel, --timeout as for boot)")
	o.vm.app = a
	o.vm.flags(cmd)
	for _, name := range []string{"firmware", "memory", "accel", "timeout"} {
		f.Lookup(name).Hidden = true // they would take more room than they are worth
	}
}

// check finds out whether there is something to wait for.
func (o *verifyOptions) check(disks []diskOutputs) error {
	for _, p := range disks {
		if o.verify && len(p.disk.Expects) == 0 {
			return usagef("--verify-boot: disk %s has no <expect>", p.disk.ID)
		}
	}
	return nil
}

// boot boots the first output of each disk, if that is asked for: the others have
// the same content.
func (o *verifyOptions) boot(ctx context.Context, disks []diskOutputs) error {
	for _, p := range disks {
		if !o.verify {
			break
		}
		if err := o.vm.boot(ctx, p.outs[0].Path, expectations(p.disk)); err != nil {
			return fmt.Errorf("%s is written, but: %w", p.outs[0].Path, err)
		}
	}
	return nil
}
