// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/words"
)

// fsckCommand is "carosbuild fsck".
type fsckCommand struct {
	*cli.App
	dry, asJSON bool
}

// fsckReport is what --json prints.
type fsckReport struct {
	Checked []fsck.Count  `json:"checked"`
	Damaged []fsck.Damage `json:"damaged"`
	Waiting []string      `json:"waiting"` // paths of layers that were known to be damaged
	InUse   []string      `json:"in_use"`  // paths that were not checked
}

// NewFsck is "carosbuild fsck".
func NewFsck(a *cli.App) *cobra.Command {
	c := &fsckCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Nothing),
		Use:               "fsck",
		Short:             "Check everything that is stored for damage",
		Long: `Check everything that is stored for damage: layers, images and records of the store,
compressed layers, cached layers, packages, lists of packages and git trees. All of
it is read and compared with its digests.

What is damaged is put aside, so that no build uses it: layers are marked, and the
next build that needs them runs their steps again; files of caches are fetched or
made again when they are needed. With --dry-run nothing is put aside.

The exit status is 1 if damage was found. Builds may run at the same time.`,
		Example: `  carosbuild fsck
  carosbuild fsck --dry-run --json      only tell, as JSON`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			return localstore.With(a, cmd, false, c.run)
		},
	}
	cmd.Flags().BoolVarP(&c.dry, "dry-run", "n", false, "only tell what is damaged")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "the result as JSON")
	return cmd
}

func (c *fsckCommand) run(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) error {
	check := &fsck.Check{Look: c.dry}
	trees := c.GitCache(d, nil)
	trees.Events = nil
	for _, f := range []func(context.Context, *fsck.Check) error{
		s.Fsck, d.Pins().Fsck, d.History().Fsck, d.Blobs().Fsck, d.Layers().Fsck, (&debian.Fetcher{Cache: d.Packages()}).Fsck, trees.Fsck,
	} {
		if err := f(ctx, check); err != nil {
			return errors.Join(err, c.print(check)) // what was found before is not lost
		}
	}
	if err := c.print(check); err != nil {
		return err
	}
	if len(check.Found) > 0 {
		return cli.Exit(cli.ExitFailed)
	}
	return nil
}

func (c *fsckCommand) print(k *fsck.Check) error {
	if c.asJSON {
		return render.WriteJSON(c.Stdout, fsckReport{
			Checked: append([]fsck.Count{}, k.Counts...), Damaged: append([]fsck.Damage{}, k.Found...),
			Waiting: append([]string{}, k.Waiting...), InUse: append([]string{}, k.InUse...),
		})
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tCHECKED\tDAMAGED")
	for _, n := range k.Counts {
		damaged := 0
		for _, d := range k.Found {
			if d.Kind == n.Kind {
				damaged++
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\n", n.Kind, n.N, damaged)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, d := range k.Found {
		then := d.Then
		if c.dry {
			then = "left as it is"
		}
		fmt.Fprintf(c.Stdout, "%s %s: %s: %s\n", d.Kind, render.Printable(d.Path), render.Printable(d.What), then)
	}
	for _, path := range k.Waiting {
		fmt.Fprintf(c.Stdout, "layer %s: known to be damaged: no build uses it until it is made or pulled again\n", render.Printable(path))
	}
	for _, path := range k.InUse {
		fmt.Fprintf(c.Stderr, "carosbuild: warning: %s was not checked: another process is changing it\n", render.Printable(path))
	}
	found := "no damage found"
	switch n := len(k.Found); {
	case len(k.Waiting) > 0 && n == 0:
		found = "no other damage found"
	case n > 0:
		found = words.Count(n, "damage") + " found"
	}
	_, err := fmt.Fprintln(c.Stdout, found)
	return err
}
