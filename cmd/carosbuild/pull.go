// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/layer"
)

func pullCommand(a *app) *cobra.Command {
	var arch string
	cmd := &cobra.Command{
		Use:   "pull SOURCE [BUILDID:STAGE]",
		Short: "Fetch an image from a registry, a directory or an archive into the store",
		Long: `Fetch an image from a registry, a directory or an archive into the store, where
"carosbuild shell" and podman find it under its name, and under BUILDID:STAGE if
that is given.`,
		Example: `  carosbuild pull registry.example.org/caros/base:failed
  carosbuild shell registry.example.org/caros/base:failed
  carosbuild pull oci:some/directory theirs:020-caros`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("usage: carosbuild %s", cmd.Use)
			}
			var names []string
			for _, arg := range args[1:] {
				n, err := stageName(arg)
				if err != nil {
					return err
				}
				names = append(names, n)
			}
			return a.withStore(cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, _ dirs) error {
				return a.pull(ctx, s, a.registry(p), args[0], arch, names)
			})
		},
	}
	cmd.Flags().StringVar(&arch, "arch", runtime.GOARCH, "which image of several, such as amd64 or arm64")
	return cmd
}

// stageName is the image name of a stage that does not exist yet.
func stageName(arg string) (string, error) {
	id, stage, ok := strings.Cut(arg, ":")
	full, err := layer.FullName(build.ImageName(id, stage))
	if !ok || err != nil || !buildIDs.MatchString(id) {
		return "", usagef("%q: want BUILDID:STAGE", arg)
	}
	return full, nil
}

func (a *app) pull(ctx context.Context, s *layer.Store, r layer.Registry, source, arch string, names []string) error {
	view, err := a.newDisplay()
	if err != nil {
		return err
	}
	defer view.close()
	r.Events = a.transfers(view)
	p, err := s.Pull(ctx, r, source, arch)
	if err != nil {
		return err
	}
	if own := p.Name(source); own != "" {
		names = append(names, own)
	}
	if len(names) == 0 {
		return usagef("%s has no name to be found by: give it one, BUILDID:STAGE", source)
	}
	if _, err := s.Keep(p, names); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, p.Ref)
	return err
}
