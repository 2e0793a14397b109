// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// bootstrap is a bootstrap element: packages are downloaded, the base is unpacked
// straight into the snapshot and configured in a sandbox, and the other packages are
// installed there, from the cache and without a network.
func (r *jobRun) bootstrap(ctx context.Context, s *plan.Step, a *plan.Bootstrap) error {
	res := a.Packages
	r.state = State{Config: oci.NewConfig(a.Wanted.Arch)}
	if err := r.Sandbox.Emulate(ctx, r.state.Config.Architecture); err != nil { // before the download
		return err
	}
	f := r.fetcherFor(r.job.ID)
	if err := f.Fetch(ctx, res); err != nil {
		return err
	}
	return r.change(ctx, s, func(w Snapshot) error {
		f.Owners = w.Owners()
		if err := f.Unpack(ctx, res, w.Root()); err != nil {
			return err
		}
		if err := r.script(ctx, s, w, res.ConfigureScript(), nil, res.BasePackages()); err != nil {
			return err
		}
		install := res.InstallScript()
		if install == "" {
			return nil
		}
		dir, err := r.runDir(r.job.ID+".install", res.InstallFiles())
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Base(debian.DebsMount)), 0o755); err != nil {
			return err
		}
		return r.script(ctx, s, w, install, []sandbox.Mount{
			{Source: dir, Target: debian.RunDir, ReadOnly: true},
			{Source: f.DebsDir(), Target: debian.DebsMount, ReadOnly: true},
		}, 0)
	})
}

// script runs a shell script as the superuser, without a network. Packages is how many
// it configures; 0 if apt will say.
func (r *jobRun) script(ctx context.Context, s *plan.Step, w Snapshot, script string, mounts []sandbox.Mount, packages int) error {
	around, err := r.environmentOf(s, w.Root())
	if err != nil {
		return err
	}
	around.mounts = mounts
	return r.command(ctx, s, w, command{environment: around, args: []string{"/bin/sh", "-c", script}, packages: int64(packages)})
}

// fetcherFor is a fetcher that reports its progress as the stage's.
func (r *jobRun) fetcherFor(stage string) *debian.Fetcher {
	text := map[string]string{"fetch": "download packages", "unpack": "unpack packages"}
	return r.Packages.Reporting(func(e debian.Event) {
		if t := text[e.Phase]; t != "" {
			r.event(progress.Event{Kind: progress.Progress, Stage: stage, Text: t, Done: e.Done, Total: e.Total})
		}
	})
}

// runDir writes files, named as a step sees them below /run/carosbuild, to a
// directory that only this process uses.
func (l *Local) runDir(name string, files map[string]string) (string, error) {
	dir := filepath.Join(l.Scratch, "run", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("files for the sandbox: %w", err)
	}
	for path, content := range files {
		rel, err := filepath.Rel(debian.RunDir, path)
		if err != nil || !filepath.IsLocal(rel) {
			return "", fmt.Errorf("files for the sandbox: %s is not below %s", path, debian.RunDir)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") { // a program
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(dir, rel), []byte(content), mode); err != nil {
			return "", fmt.Errorf("files for the sandbox: %w", err)
		}
	}
	return dir, nil
}

// aptHost is the mirror configuration for apt in a step: that of the machine that made
// the plan, with this machine's passwords if its configuration is the same.
func (l *Local) aptHost(a *plan.Apt) (host debian.Host, relay string) {
	if a.Host != nil && !a.Host.Equal(l.Host.Public()) {
		return *a.Host, ""
	}
	relay = l.Relay.Address()
	if l.Reach != nil && relay != "" {
		relay = l.Reach(relay)
	}
	return l.Host, relay
}

// StartRelay starts the proxy that keeps the host's passwords from the steps, if steps
// have a network and the host has passwords. The caller closes the relay, which may be nil.
func StartRelay(ctx context.Context, host debian.Host, network sandbox.Network, note func(text string)) (*debian.Relay, error) {
	if network == sandbox.NoNetwork {
		return nil, nil
	}
	if names := host.Withheld(); len(names) > 0 {
		note("apt in steps does not use the host's " + strings.Join(names, " and ") + ": its address contains a password, which steps could read")
	}
	if !host.NeedsRelay() {
		return nil, nil
	}
	return host.StartRelay(ctx)
}
