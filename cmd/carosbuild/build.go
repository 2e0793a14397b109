// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/runc"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// buildCommand is "carosbuild [build]": its flags, and what they lead to.
type buildCommand struct {
	*app
	redomatFlags
	diskFlags
	made      []*compose.DiskImage // disks that were written
	level     int                  // of compression
	wanted    []string             // stages to build, instead of a disk
	jobs      int
	dryRun    bool
	buildID   string
	named     bool // the build id is the caller's
	noCache   bool
	update    bool
	locked    bool // nothing but what is in the lock file
	network   string
	forget    bool // failed stages are not kept
	jsonPlan  bool
	whyOnly   bool     // of a plan: what runs again, and why
	remotes   []string // NAME=URL of git remotes
	verify    bool     // boot what was written
	vm        bootCommand
	declFiles []string
}

func (c *buildCommand) command(use string) *cobra.Command {
	cmd := &cobra.Command{
		ValidArgsFunction: c.completeArgs(declArg),
		Use:               use,
		Short:             "Build the stages of a declaration, and a disk from them",
		Long:              "Build the stages of a declaration, and a disk from them.\n\n" + filesHelp,
		Args:              cobra.ArbitraryArgs,
		Example: `  carosbuild vmware.xml --out caros.vmdk      a disk; the ending picks its format
  carosbuild vmware.xml site.xml -t 050-site  stages only, with an overlay
  carosbuild vmware.xml --dry-run             what would run, and what is cached`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Parent() == nil && cmd.Flags().NFlag() == 0 {
				return cmd.Help()
			}
			if cmd.Parent() == nil && len(args) > 0 {
				if err := commandError(cmd, args[0]); err != nil {
					return err
				}
			}
			c.declFiles = args
			return c.run(cmd)
		},
	}
	c.planFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&c.out, "out", "o", nil, "write the disk to this file, block device or pipe, - for standard output; may be repeated; {disk} stands for the disk's id; the ending picks the format: "+strings.Join(disk.Endings(), " "))
	f.StringVar(&c.format, "format", "", "format of the disk, whatever the endings say: "+strings.Join(compose.Formats(), ", "))
	c.levelFlag(cmd)
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "only show what would run")
	f.IntVarP(&c.jobs, "jobs", "j", runtime.NumCPU(), "stages to build at a time")
	f.StringVarP(&c.buildID, "new-build-id", "B", "", "build id (default date, time and user)")
	f.BoolVar(&c.noCache, "no-cache", false, "run every step, whatever is stored")
	f.StringVar(&c.network, "network", c.env("NETWORK", "host"), "network of the steps: host or none")
	c.verifyFlags(cmd)
	f.BoolVarP(&c.forget, "skip-failure-commit", "F", false, "do not keep the half-done stage of a failed step")
	c.oldFlags(cmd)
	return cmd
}

func (c *buildCommand) levelFlag(cmd *cobra.Command) {
	cmd.Flags().IntVar(&c.level, "compression-level", 0, "how hard to compress the disk, 1 (fast) to 9 (small), in formats that are compressed: vmdk, ova, qcow2-compressed, qcow2-zstd, raw.gz, raw.zst; 0 is the format's own choice")
}

// verifyFlags are those that have a disk booted when it is written.
func (c *buildCommand) verifyFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&c.verify, "verify-boot", false, "boot the disk in QEMU and wait for what its <expect> says (--firmware, --memory, --accel, --timeout as for boot)")
	c.vm.app = c.app
	c.vm.flags(cmd)
	for _, name := range []string{"firmware", "memory", "accel", "timeout"} {
		f.Lookup(name).Hidden = true // they would take more room than they are worth
	}
}

// planFlags are those that decide what a plan looks like.
func (c *buildCommand) planFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVarP(&c.wanted, "target", "t", nil, "build up to this stage, no disk; may be repeated")
	c.diskFlags.add(f)
	f.BoolVar(&c.update, "update", false, "resolve suites and image tags anew instead of as pinned by an earlier build")
	f.BoolVar(&c.locked, "locked", false, "take nothing but what the lock file has (see carosbuild lock)")
	c.remoteFlag(cmd)
	f.BoolVar(&c.jsonPlan, "json", false, "print the plan as JSON (only with --dry-run)")
	c.chainFlags(cmd)
	c.hiddenKasFlags(f)
}

// filesHelp says what may be given as FILE.
const filesHelp = "FILE is a declaration, or PROJECT.yml, a project of kas; --base and --from are as for carosbuild kas."

func planCommand(a *app) *cobra.Command {
	c := &buildCommand{app: a, dryRun: true, network: a.env("NETWORK", "host")}
	cmd := &cobra.Command{
		ValidArgsFunction: a.completeArgs(declArg),
		Use:               "plan FILE...", Short: "Show what would run and what is cached", Args: cobra.ArbitraryArgs,
		Long: "Show what would run and what is cached.\n\n" + filesHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.run(cmd)
		},
	}
	c.planFlags(cmd)
	cmd.Flags().Lookup("json").Usage = "print the plan as JSON"
	return cmd
}

// job is a build that is about to be done.
type job struct {
	decl     *decl.Declaration // nil inside the namespaces
	disks    []diskOutputs     // none for stages only
	plan     *plan.Plan
	resolved *resolve.Resolved // nil inside the namespaces
	dirs     dirs
	store    layer.Paths
	records  *layer.Records
	epoch    *int64
	started  []history.Started // stages that begin with a stored image
	info     history.BuildInfo // what is noted about the build when it begins
	report   history.Report    // what of it is known before the build
	tagged   string            // stage that gets the name of --success-tag, or ""
}

func (c *buildCommand) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if j, err := c.handed(); err != nil || j != nil {
		return c.runHanded(ctx, j, err)
	}
	c.warnings()
	if done, err := c.listed(); done {
		return err
	}
	if c.checkoutOnly {
		return c.checkout(ctx, ".")
	}
	c.named = c.buildID != ""
	if c.buildID = cleanBuildID(c.buildID); c.buildID == "" {
		c.buildID = defaultBuildID(time.Now(), c.owner())
	}
	if err := c.checkOptions(); err != nil {
		return err
	}
	if err := checkNetwork(c.network); err != nil {
		return err
	}
	if err := c.checkOutputs(); err != nil {
		return err
	}
	view, err := c.newDisplay()
	if err != nil {
		return err
	}
	defer view.close()
	j, err := c.plan(ctx, view)
	if err != nil {
		return err
	}
	if err := c.checkExpects(j.disks); err != nil {
		return err
	}
	if c.dryRun {
		j.dirs.history().Explain(c.historyName(), j.plan)
		return c.showPlan(cmd, j)
	}
	if err := c.checkOwner(j.store); err != nil {
		return err
	}
	if len(j.disks) == 0 && !c.named && c.successTag == "" && j.plan.Complete() && !c.noCache { // outside of the namespaces: it is over in no time
		if names, ok := c.stored(j); ok {
			return c.upToDate(j, names)
		}
	}
	if err := c.checkSpace(j); err != nil {
		return err
	}
	if firstBuild(j.store) {
		if note := c.podmanNote(j.store); note != "" {
			view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: note})
		}
	}
	if err := ownPlaces(j.store); err != nil {
		return err
	}
	c.know(j)
	data, err := c.handOver(j)
	if err != nil {
		return err
	}
	if err := c.enterWith(cmd, data); err != nil {
		return err
	}
	if c.verify {
		return c.verifyBoot(ctx, j.disks)
	}
	return nil
}

// runHanded builds what was handed over.
func (c *buildCommand) runHanded(ctx context.Context, j *job, err error) error {
	if err != nil {
		return err
	}
	if c.dryRun {
		return c.showHanded(ctx, j)
	}
	view, err := c.newDisplay()
	if err != nil {
		return err
	}
	defer view.close()
	return c.build(ctx, j, view)
}

// verifyBoot boots the first output of each disk: the others have the same
// content.
func (c *buildCommand) verifyBoot(ctx context.Context, disks []diskOutputs) error {
	for _, p := range disks {
		if err := c.vm.boot(ctx, p.outs[0].Path, expectations(p.disk)); err != nil {
			return fmt.Errorf("%s is written, but: %w", p.outs[0].Path, err)
		}
	}
	return nil
}

// plan loads the declaration, resolves what it names and works out the steps.
func (c *buildCommand) plan(ctx context.Context, view display) (*job, error) {
	j, err := c.loadJob(ctx)
	if err != nil {
		return nil, err
	}
	if !c.dryRun {
		if err := c.checkPlace(j.store); err != nil {
			return nil, err
		}
	}
	c.appendLocalConf(j.decl)
	if j.disks, err = c.chooseDisks(j.decl); err != nil {
		return nil, err
	}
	if err := placeDisks(j.decl, j.disks); err != nil {
		return nil, err
	}
	c.warnOverlays(j.disks)
	targets, err := c.targets(j)
	if err != nil {
		return nil, err
	}
	if c.successTag != "" && c.successStage(j, targets) == "" {
		return nil, usagef("--success-tag: which stage? name one target of: %s", strings.Join(targets, ", "))
	}
	if j.decl, j.started, err = c.enter(j.decl, targets); err != nil {
		return nil, err
	}
	lock, err := c.readLock()
	if err != nil {
		return nil, err
	}
	r, err := c.resolver(j, view, lock)
	if err != nil {
		return nil, err
	}
	reads, err := r.Reads(j.decl, targets)
	if err != nil {
		return nil, err
	}
	if err := c.checkInputs(j.disks, reads); err != nil {
		return nil, err
	}
	if j.resolved, err = r.Resolve(ctx, j.decl, targets); err != nil {
		return nil, err
	}
	view.show(progress.Event{Time: time.Now(), Kind: progress.ProgressEnd, Text: readIndices})
	if err := c.warnLock(lock, j.resolved, j.decl, targets); err != nil {
		return nil, err
	}
	if c.network != string(runc.HostNetwork) {
		j.resolved.Network = c.network
	}
	if j.plan, err = plan.NewPlan(j.decl, targets, j.resolved.Facts); err != nil {
		return nil, err
	}
	// Once more, now that the variables in paths are filled in.
	if err := c.checkInputs(j.disks, resolve.PlannedReads(j.plan)); err != nil {
		return nil, err
	}
	j.openRecords()
	return j, j.plan.MarkCached(j.stored)
}

// newJob finds out where things are.
func (c *buildCommand) newJob() (*job, error) {
	j := &job{}
	var err error
	if j.dirs, err = c.dirs(); err != nil {
		return nil, err
	}
	if j.epoch, err = c.sourceDateEpoch(); err != nil {
		return nil, err
	}
	if j.store, err = layer.PodmanPaths(c.getenv, c.account().UID); err != nil {
		return nil, err
	}
	return j, nil
}

func (j *job) openRecords() {
	j.records = layer.OpenRecords(layer.RecordsDir(j.store.GraphRoot), j.store.GraphRoot)
}

// stored reports whether the result of a step is.
func (j *job) stored(key string) (bool, error) {
	_, ok, err := j.records.Lookup(key)
	return ok, err
}

// loadJob is newJob, with the declaration.
func (c *buildCommand) loadJob(ctx context.Context) (*job, error) {
	j, err := c.newJob()
	if err != nil {
		return nil, err
	}
	c.kas.remotes, c.kas.update = c.remotes, c.update
	if j.decl, err = c.load(ctx, c.declFiles, j.dirs.cache); err != nil {
		return nil, err
	}
	return j, nil
}

const readIndices = "read the mirror's indices"

func (c *buildCommand) fetcher(j *job, view display) (*debian.Fetcher, debian.Host, error) {
	host, err := debian.ReadHost("/", c.getenv)
	if err != nil {
		return nil, host, fmt.Errorf("read the host's apt configuration: %w", err)
	}
	f := &debian.Fetcher{Cache: j.dirs.packages(), HTTP: host.HTTPClient()}
	f.Events = func(e debian.Event) {
		if e.Phase == "resolve" { // each index counts for itself: there is no sum to reach
			view.show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: readIndices, Done: e.Done})
		}
	}
	return f, host, nil
}

// sourceDateEpoch is SOURCE_DATE_EPOCH, seconds since 1970, nil where it is not set.
func (a *app) sourceDateEpoch() (*int64, error) {
	v := a.getenv("SOURCE_DATE_EPOCH")
	if v == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return nil, usagef("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", v)
	}
	return &n, nil
}

// chooseDisks are the disks that the flags ask for, none for stages only.
func (c *buildCommand) chooseDisks(d *decl.Declaration) ([]diskOutputs, error) {
	if len(c.wanted) > 0 {
		if len(c.out) > 0 {
			return nil, usagef("--target builds stages only and cannot be combined with --out")
		}
		return nil, nil
	}
	if len(c.out) == 0 && len(c.disks) == 0 && (!c.dryRun || len(d.Disks) != 1) {
		return nil, nil
	}
	if len(d.Disks) == 0 && len(c.disks) == 0 {
		return nil, usagef("--out wants a disk, and the declaration has no <disk>%s", overlayHint(d, c.overBuild))
	}
	chosen, err := c.choose(d)
	if err != nil {
		return nil, err
	}
	pairs, err := c.pair(chosen)
	if err != nil {
		return nil, err
	}
	return pairs, c.checkPairs(pairs)
}

// targets are the stages to build: the one asked for, those of the disk, or
// all that no other stage needs.
func (c *buildCommand) targets(j *job) ([]string, error) {
	var wanted []string
	for _, id := range c.wanted {
		if !slices.ContainsFunc(j.decl.Stages, func(s *decl.Stage) bool { return s.ID == id }) {
			hint := history.HintStage(j.decl, id)
			if len(projectsIn(c.declFiles)) > 0 {
				hint += fmt.Sprintf("; -t names a stage; for another target of bitbake: KAS_TARGET=%s", id)
			}
			return nil, usagef("no stage %q is declared%s", id, hint)
		}
		if !slices.Contains(wanted, id) {
			wanted = append(wanted, id)
		}
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	if len(j.disks) > 0 {
		return diskStages(j)
	}
	if len(j.decl.Stages) == 0 {
		return nil, usagef("the declaration has no stages")
	}
	return plan.Leaves(j.decl), nil
}

// diskStages are the stages that the disks are made from.
func diskStages(j *job) ([]string, error) {
	var all []string
	for _, p := range j.disks {
		if err := compose.CheckMachine(p.disk); err != nil { // before anything is built
			return nil, err
		}
		ids, err := plan.DiskStages(j.decl, p.disk)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}

// stored are the names of the targets' images, if all of them are still in the
// store.
func (c *buildCommand) stored(j *job) ([]string, bool) {
	images, err := j.store.Images()
	if err != nil {
		return nil, false
	}
	var names []string
	for _, s := range j.plan.Stages {
		if !slices.Contains(j.plan.Targets, s.ID) {
			continue
		}
		name, ok := j.dirs.pins().Built(s)
		id, stage, _ := strings.Cut(name, ":")
		if !ok || !slices.ContainsFunc(images, func(i layer.Image) bool {
			return slices.Contains(i.Names, history.ImageName(id, stage)) && j.store.ConfigWhole(i.ID)
		}) {
			return nil, false
		}
		if !c.foreign && c.builds(j.store).Foreign(id, c.owner()) { // it gets names that its owner sees
			return nil, false
		}
		names = append(names, name)
	}
	return names, true
}

// historyName is how the history calls what is built: the names of the files. A CI
// job may have them in another folder each time.
func (c *buildCommand) historyName() string { return strings.Join(c.declNames(), "\n") }

// declNames are the names of the declaration's files, without directories.
func (c *buildCommand) declNames() []string {
	var names []string
	for _, n := range c.declFiles {
		names = append(names, filepath.Base(n))
	}
	return names
}

// upToDate reports that there is nothing to do.
func (c *buildCommand) upToDate(j *job, names []string) error {
	for _, n := range names {
		fmt.Fprintln(c.stdout, n)
		id, _, _ := strings.Cut(n, ":")
		if err := c.builds(j.store).Use(id, time.Now()); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.stderr, "nothing to do: all %s of %s are stored\n", plural(j.plan.Steps(), "step"), plural(len(j.plan.Stages), "stage"))
	return nil
}
