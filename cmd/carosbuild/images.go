// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/runc"
)

// imageRow is one line of "carosbuild images".
type imageRow struct {
	BuildID string       `json:"build_id"`
	Stage   string       `json:"stage"`
	Image   string       `json:"image"`
	Created time.Time    `json:"created"` // the image
	Started time.Time    `json:"started"` // the build
	Owner   string       `json:"owner,omitempty"`
	Size    int64        `json:"size"` // bytes of the layers, uncompressed
	Status  build.Status `json:"status"`
	Failed  bool         `json:"failed"`
}

func imagesCommand(a *app) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use: "images [BUILDID]", Short: "List the images of stages, the newest build first",
		Example: `  carosbuild images               all builds of yours
  carosbuild images '2026-11-*'   those of a month
  carosbuild images --all         what stages were before their own steps, too`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("usage: carosbuild %s", cmd.Use)
			}
			pattern := "*"
			if len(args) == 1 {
				pattern = args[0]
			}
			if _, err := path.Match(pattern, ""); err != nil {
				return usagef("%q: %v", pattern, err)
			}
			return a.withStore(cmd, false, func(_ context.Context, s *layer.Store, p layer.Paths, _ dirs) error {
				rows, err := a.imageRows(s, p, func(st build.StoredStage) bool {
					return build.MatchBuild(pattern, st.BuildID) && (all || st.Status != build.Start)
				})
				if err != nil {
					return err
				}
				return a.printImages(rows, asJSON, time.Now())
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVar(&all, "all", false, "what stages were before their own steps, too")
	a.foreignFlag(cmd)
	return cmd
}

func (a *app) imageRows(s *layer.Store, p layer.Paths, wanted func(build.StoredStage) bool) ([]imageRow, error) {
	images, err := s.Images()
	if err != nil {
		return nil, err
	}
	rows := []imageRow{}
	for _, st := range build.StoredStages(images, a.builds(p), a.visible()) {
		chain, err := s.Chain(st.Image.Top)
		if err != nil || !wanted(st) {
			continue // being removed
		}
		var size int64
		for _, l := range chain {
			size += l.Size
		}
		rows = append(rows, imageRow{
			BuildID: st.BuildID, Stage: st.Stage, Image: st.Image.ID, Created: st.Image.Created, Started: st.Started, Owner: st.Owner,
			Size: size, Status: st.Status, Failed: st.Status == build.Failed,
		})
	}
	return rows, nil
}

func (a *app) printImages(rows []imageRow, asJSON bool, now time.Time) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "BUILD ID\tSTAGE\tIMAGE\tAGE\tSIZE\tSTATUS")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.BuildID, r.Stage, r.Image[:min(12, len(r.Image))], age(now.Sub(r.Started)), size(r.Size), r.Status)
	}
	return w.Flush()
}

// age says how long ago something was, in one unit.
func age(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{365 * day, "year"}, {30 * day, "month"}, {7 * day, "week"}, {day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.unit; {
		case n == 1:
			return "1 " + u.name + " ago"
		case n > 1:
			return fmt.Sprintf("%d %ss ago", n, u.name)
		}
	}
	return "just now"
}

func shellCommand(a *app) *cobra.Command {
	var network string
	cmd := &cobra.Command{
		Use:   "shell BUILDID[:STAGE] [COMMAND...]",
		Short: "Run a shell in a stage; what it changes is thrown away",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("usage: carosbuild %s", cmd.Use)
			}
			if err := checkNetwork(network); err != nil {
				return err
			}
			return a.withStore(cmd, true, func(ctx context.Context, s *layer.Store, _ layer.Paths, d dirs) error {
				return a.shell(ctx, s, d, args[0], args[1:], runc.Network(network))
			})
		},
	}
	cmd.Flags().SetInterspersed(false)
	a.foreignFlag(cmd)
	cmd.Flags().StringVar(&network, "network", a.env("NETWORK", "host"), "host or none")
	return cmd
}

func (a *app) shell(ctx context.Context, s *layer.Store, d dirs, name string, command []string, network runc.Network) (err error) {
	image, err := a.stageImage(s, true, name)
	if err != nil {
		return err
	}
	img, _, err := s.ImageByName(image)
	if err != nil {
		return err
	}
	cfg, _, err := s.Config(img)
	if err != nil {
		return err
	}
	scratch := filepath.Join(d.state, "scratch")
	if err := runc.MountScratch(scratch); err != nil {
		return err
	}
	rt, err := runc.FindRuntime(a.runtime, filepath.Join(scratch, "runtime"))
	if err != nil {
		return err
	}
	w, err := s.Prepare(ctx, img.Top)
	if err != nil {
		return err
	}
	defer func() {
		if e := w.Discard(); err == nil {
			err = e
		}
	}()
	user, err := runc.LookupUser(w.Root(), cfg.Config.User)
	if err != nil {
		return err
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		resolver = nil
	}
	if _, err := runc.Plant(w.Root(), nil, resolver); err != nil {
		return err
	}
	if len(command) == 0 {
		command = []string{"/bin/sh", "-i"}
	}
	env := append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + user.Home, "LC_ALL=C.UTF-8",
		"TERM=" + a.getenv("TERM"),
	}, cfg.Config.Env...)
	cwd := cfg.Config.WorkingDir
	if cwd == "" {
		cwd = "/"
	}
	status, err := rt.Run(ctx, runc.Step{
		ID: fmt.Sprintf("shell-%d", time.Now().UnixNano()), Root: w.Root(), Arch: cfg.Architecture, Args: command, Env: env, Cwd: cwd,
		UID: user.UID, GID: user.GID, Groups: user.Groups, Network: network, Terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err == nil && status != 0 {
		return innerExit(status)
	}
	return err
}
