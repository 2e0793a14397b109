// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/failure"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/network"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// shellWorld is what a shell is opened in.
type shellWorld struct {
	engine.Shell
	record  *failure.Record // of a failed step, nil where the image says nothing of one
	foreign bool            // the image says itself what surrounds the command, and may be anybody's
	host    bool            // the record asks for the host's network
	failed  bool            // it is a half-done stage of a build that was made here
}

// open finds the world that a name means: of the store, or of an image elsewhere.
func (c *shellCommand) open(ctx context.Context, s *layer.Store, j *buildJob, name string) (*shellWorld, error) {
	if cli.IsElsewhere(name) {
		return c.fetch(ctx, s, j, name)
	}
	image, err := localstore.StageImage(ctx, c.App, s, true, name)
	if err != nil && isRemote(name) {
		return c.fetch(ctx, s, j, name)
	}
	if err != nil {
		return nil, err
	}
	img, _, err := s.ImageByName(image)
	if err != nil {
		return nil, err
	}
	cfg, _, err := s.Config(img)
	if err != nil {
		return nil, err
	}
	state := engine.State{Layer: img.Top, Config: cfg}
	if sh, ok := stageShell(c.App, j.dirs, image); ok {
		id, _, status := history.ParseImageName(image)
		sh.BuildID, sh.State = id, state
		return &shellWorld{Shell: sh, failed: status == history.Failed}, nil
	}
	if isRemote(name) {
		note(c.App, name+" is in the store; docker://"+name+" asks the registry for a newer one")
	}
	return worldOf(state)
}

// isRemote reports whether a name is one of an image in a registry.
func isRemote(name string) bool {
	p, err := oci.ParseReference(name)
	return err == nil && p.Kind == oci.KindRegistry && oci.HasRegistry(p.Name)
}

// fetch brings the layers of an image into the store. They get no name: the next shell
// asks again, and prune removes them.
func (c *shellCommand) fetch(ctx context.Context, s *layer.Store, j *buildJob, name string) (*shellWorld, error) {
	p, err := oci.ParseReference(name)
	if err != nil {
		return nil, cli.Usage(err)
	}
	view, err := c.NewDisplay()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	r := c.Registry(j.store)
	r.Events = c.Transfers(view)
	src, err := r.Find(ctx, name, c.arch)
	if err != nil && c.arch == "" && p.Path != "" { // a layout says for which platform it is
		only, oerr := oci.FindOnly(p, r.Scratch)
		if oerr != nil {
			return nil, err
		}
		only.Transfer = r.Transfer
		src, err = only, nil
	}
	if err != nil {
		return nil, err
	}
	pulled, err := s.Pull(ctx, foundSource(src), name, c.arch)
	if err != nil {
		return nil, err
	}
	return worldOf(engine.State{Layer: pulled.Layer, Config: pulled.Config})
}

// worldOf is the world that an image says itself, which may be anybody's.
func worldOf(s engine.State) (*shellWorld, error) {
	if err := failure.CheckConfig(&s.Config); err != nil {
		return nil, err
	}
	rec, marked, err := failure.Read(&s.Config)
	if err != nil {
		return nil, err
	}
	w := &shellWorld{Shell: engine.Shell{Job: &plan.Job{}, State: s}, foreign: true}
	if !marked {
		return w, nil
	}
	w.record, w.BuildID, w.Job = rec, rec.Build, rec.Job()
	if w.host = sandbox.Network(rec.Network) == sandbox.HostNetwork; w.host {
		w.Job.Network = ""
	}
	return w, w.Job.Check()
}

// tell shows how the step has failed, and what is not as it was there.
func (w *shellWorld) tell(a *cli.App, network string) {
	if w.record == nil || a.Progress == "quiet" {
		return
	}
	render.FailedStep(a.Stderr, w.record)
	if w.host && network == "" {
		note(a, "the step had the host's network; the shell gets it with --network host")
	}
	if len(w.Job.Caches) > 0 {
		note(a, "the caches of the step are empty here")
	}
}

// estrange keeps what an image of anybody says from reaching what this machine has:
// caches, the network, mirrors in directories, and passwords for mirrors. The release is
// for afterwards.
func estrange(l *engine.Local, j *plan.Job, d cli.Dirs, note func(string)) (release func() error, err error) {
	if l.CacheDir, release, err = rung.DiskScratch(d.State); err != nil {
		return nil, err
	}
	if l.Relay != nil { // which knows the passwords
		l.Relay, l.Proxies = nil, nil
		note("the shell has no proxies: those of this machine have passwords, or its mirrors")
	}
	l.CacheSuffix, l.Host = "", failure.PublicHost(l.Host)
	if auto, ok := l.Network.(*network.Auto); ok {
		auto.Never = true
	}
	if j.Apt == nil {
		return release, nil
	}
	if _, err := j.Apt.Bootstrap.AptFiles(l.Host, j.Apt.Without, ""); err != nil {
		note(fmt.Sprintf("apt is not told of mirrors: %v", err))
		j.Apt = nil
	}
	return release, nil
}

// stageShell says which step of which stage an image is of, as far as the build has
// left its plan here: of a failed stage the step that failed, else what comes after the
// last one.
func stageShell(a *cli.App, d cli.Dirs, image string) (engine.Shell, bool) {
	id, stage, status := history.ParseImageName(image)
	if status == "" {
		return engine.Shell{}, false
	}
	dir := filepath.Join(d.Logs(), id)
	p, err := history.ReadPlan(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		note(a, "without the stage's caches and mirrors: "+terminal.Text(err.Error()))
	}
	if err != nil || p.Job(stage) == nil { // pulled, or older
		return engine.Shell{}, false
	}
	sh := engine.Shell{Job: p.Job(stage), Step: len(p.Job(stage).Steps)}
	if status != history.Failed {
		return sh, true
	}
	if r, err := history.ReadReport(dir); err == nil && r.Failed != nil && r.Failed.Stage == stage {
		sh.Step = max(r.Failed.Step-1, 0)
	}
	return sh, true
}
