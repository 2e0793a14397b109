// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
)

// store fetches the image into the store.
func (c *pullCommand) store(cmd *cobra.Command) error {
	return localstore.With(c.App, cmd, false, c.run)
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
	own := oci.NameOf(c.source, pinned)
	for _, n := range []string{own, c.stage} {
		if n != "" {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return cli.Usagef("%s has no name of its own: give it one, BUILDID:STAGE", c.source)
	}
	image, err := s.Pull(ctx, r, pinned, c.arch)
	if err != nil {
		return err
	}
	if got := image.Config.Architecture; c.archSet && got != oci.Architecture(c.arch) {
		return cli.Usagef("%s is an image for architecture %q, not %q", c.source, got, c.arch)
	}
	if c.buildID != "" {
		if err := localstore.Builds(p).Write(c.buildID, history.BuildInfo{Owner: c.Owner(), Started: time.Now(), Pulled: true}); err != nil {
			return err
		}
	}
	before, err := s.Images()
	if err != nil {
		return err
	}
	id, err := s.Keep(image, names)
	if err != nil {
		return err
	}
	if own != "" {
		note := history.PulledName{Name: own, Image: id, Build: c.buildID, Owner: c.Owner()}
		if err := localstore.Pulled(p).Note(note, before); err != nil {
			return err
		}
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
		return cli.Usagef("build id %s belongs to %s: choose another id", c.buildID, info.Owner)
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
