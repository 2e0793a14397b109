// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	BuildID string    `json:"build_id"`
	Stage   string    `json:"stage"`
	Image   string    `json:"image"`
	Created time.Time `json:"created"`
	Size    int64     `json:"size"` // bytes of the layers, uncompressed
	Failed  bool      `json:"failed"`
}

func imagesCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "images", Short: "List the images of stages", Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, false, func(_ context.Context, s *layer.Store, _ layer.Paths, _ dirs) error {
				rows, err := imageRows(s)
				if err != nil {
					return err
				}
				return a.printImages(rows, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

func imageRows(s *layer.Store) ([]imageRow, error) {
	images, err := s.Images()
	if err != nil {
		return nil, err
	}
	rows := []imageRow{}
	for _, img := range images {
		chain, err := s.Chain(img.Top)
		if err != nil {
			continue // being removed
		}
		var size int64
		for _, l := range chain {
			size += l.Size
		}
		for _, n := range img.Names {
			rest, ok := strings.CutPrefix(n, strings.TrimSuffix(build.ImageName("", ""), ":"))
			if !ok {
				continue
			}
			id, stage, _ := strings.Cut(rest, ":")
			rows = append(rows, imageRow{BuildID: id, Stage: stage, Image: img.ID, Created: img.Created, Size: size, Failed: strings.HasSuffix(stage, "-failure")})
		}
	}
	slices.SortFunc(rows, func(x, y imageRow) int {
		return cmp.Or(cmp.Compare(y.BuildID, x.BuildID), cmp.Compare(x.Stage, y.Stage))
	})
	return rows, nil
}

func (a *app) printImages(rows []imageRow, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(a.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "BUILD ID\tSTAGE\tIMAGE\tCREATED\tSIZE")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.BuildID, r.Stage, r.Image[:12], r.Created.Local().Format("2006-01-02 15:04"), size(r.Size))
	}
	return w.Flush()
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
	cmd.Flags().StringVar(&network, "network", a.env("NETWORK", "host"), "host or none")
	return cmd
}

func (a *app) shell(ctx context.Context, s *layer.Store, d dirs, name string, command []string, network runc.Network) (err error) {
	image, err := stageImage(s, name)
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
