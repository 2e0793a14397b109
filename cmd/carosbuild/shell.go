// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/runc"
)

func shellCommand(a *app) *cobra.Command {
	var network string
	cmd := &cobra.Command{
		ValidArgsFunction: a.completeArgs(stageArg, filesArg),
		Use:               "shell BUILDID[:STAGE] [COMMAND...]",
		Short:             "Run a shell in a stage; what it changes is thrown away",
		Args:              cobra.ArbitraryArgs,
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
