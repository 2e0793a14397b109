// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
)

// pullCommand is "carosbuild pull".
type pullCommand struct {
	*cli.App
	source  string
	arch    string
	archSet bool
	buildID string // "" for the image's own name alone
	stage   string // its full name as an image
}

// NewPull is "carosbuild pull".
func NewPull(a *cli.App) *cobra.Command {
	c := &pullCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Files, complete.Nothing),
		Use:               "pull SOURCE [BUILDID:STAGE]",
		Short:             "Fetch an image from a registry, a directory or an archive into the store",
		Long: `Fetch an image from a registry, a directory or an archive into the store, where
"carosbuild shell" and podman find it under its name, and under BUILDID:STAGE if
that is given.`,
		Example: `  carosbuild pull registry.example.org/caros/base:failed
  carosbuild shell registry.example.org/caros/base:failed
  carosbuild pull oci:some/directory theirs:020-caros`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			if err := oci.CheckReference(args[0]); err != nil || args[0] == "scratch" {
				return cli.Usagef("%q names no image", args[0])
			}
			c.source, c.archSet = args[0], cmd.Flags().Changed("arch")
			if len(args) == 2 {
				if err := c.setStage(args[1]); err != nil {
					return err
				}
			}
			return localstore.With(a, cmd, false, c.run)
		},
	}
	cmd.Flags().StringVar(&c.arch, "arch", runtime.GOARCH, "which image of several, such as amd64, armhf or arm/v6")
	a.ForeignFlag(cmd)
	return cmd
}

// setStage takes BUILDID:STAGE.
func (c *pullCommand) setStage(arg string) error {
	id, stage, ok := strings.Cut(arg, ":")
	full, err := oci.FullName(history.ImageName(id, stage))
	if !ok || err != nil || !cli.BuildIDs.MatchString(id) {
		return cli.Usagef("%q: want BUILDID:STAGE", arg)
	}
	c.buildID, c.stage = id, full
	return nil
}

func (c *pullCommand) run(ctx context.Context, s *layer.Store, p layer.Paths, _ cli.Dirs) error {
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	r := c.Registry(p)
	r.Events = c.Transfers(view)
	if err := c.checkBuild(s, p); err != nil {
		return err
	}
	pinned, err := r.Resolve(ctx, c.source, c.arch)
	if err != nil {
		return err
	}
	var names []string
	for _, n := range []string{oci.NameOf(c.source, pinned), c.stage} {
		if n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return cli.Usagef("%s has no name to be found by: give it one, BUILDID:STAGE", c.source)
	}
	image, err := s.Pull(ctx, r, pinned, c.arch)
	if err != nil {
		return err
	}
	if got := image.Config.Architecture; c.archSet && got != oci.Architecture(c.arch) {
		return cli.Usagef("%s is an image for %q, not for %q", c.source, got, c.arch)
	}
	if c.buildID != "" {
		if err := localstore.Builds(p).Write(c.buildID, history.BuildInfo{Owner: c.Owner(), Started: time.Now(), Pulled: true}); err != nil {
			return err
		}
	}
	if _, err := s.Keep(image, names); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Stdout, image.Ref)
	return err
}

// checkBuild keeps a build that was made here as it is.
func (c *pullCommand) checkBuild(s *layer.Store, p layer.Paths) error {
	if c.buildID == "" {
		return nil
	}
	info, noted := localstore.Builds(p).Read(c.buildID)
	if noted && info.Owner != c.Owner() && !c.Foreign {
		return cli.Usagef("build id %s is %s's: choose another one", c.buildID, info.Owner)
	}
	images, err := s.Images()
	if err != nil {
		return err
	}
	made := slices.ContainsFunc(history.StoredStages(images, localstore.Builds(p), ""), func(st history.StoredStage) bool { return st.BuildID == c.buildID })
	if made && !info.Pulled {
		return cli.Usagef("build %s was made here: choose another id", c.buildID)
	}
	return nil
}
