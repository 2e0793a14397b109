// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/evict"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
)

// Kinds of what is stored, as users see them.
const (
	kindBuilds   = history.KindBuilds
	kindLayers   = "layers"
	kindLogs     = "logs"
	kindPackages = "packages" // and lists of packages
	kindGit      = "git"
	kindBlobs    = "blobs"   // compressed layers
	kindTars     = "tars"    // layers of images that disks were made from
	kindCaches   = "caches"  // of stages
	kindKernels  = "kernels" // of virtual machines
	kindPlans    = "plans"   // what plans and pins leave
)

// kinds are all of them, in the order in which they are shown.
var kinds = []string{kindBuilds, kindLayers, kindLogs, kindPackages, kindGit, kindBlobs, kindTars, kindCaches, kindKernels, kindPlans}

// usage is how much there is of a kind.
type usage struct {
	Kind     string `json:"kind"`
	Number   int    `json:"number"`
	Bytes    int64  `json:"bytes"` // of builds, 0: their layers are counted as such
	Prunable int    `json:"prunable"`
	Freed    int64  `json:"prunable_bytes"`
}

// duCommand is "carosbuild du".
type duCommand struct {
	pruneCommand
	asJSON bool
}

// NewDu is "carosbuild du".
func NewDu(a *cli.App) *cobra.Command {
	c := &duCommand{pruneCommand: pruneCommand{App: a}}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Nothing),
		Use:               "du",
		Short:             "Show what takes how much space, and how much of it prune would remove",
		Long: `Show what takes how much space: builds, their layers and logs, and the caches of
packages, git trees, compressed layers (blobs), layers of images that disks were made
from (tars), <cache> elements, kernels of virtual machines, and remembered plans. The
last column is what "carosbuild prune" with the same options would remove.

Layers count with the size of their files, and caches with what they take on the disk.`,
		Example: `  carosbuild du
  carosbuild du --older-than 2w --json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			rule, _, err := c.rule(nil, time.Now())
			if err != nil {
				return err
			}
			return localstore.With(a, cmd, false, func(_ context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error {
				l, err := c.leftovers(s, p, d)
				if err != nil {
					return err
				}
				plan, err := l.Prune(rule)
				if err != nil {
					return err
				}
				return c.print(usages(l, plan))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.olderThan, "older-than", "", "what would go if it was not used for this long, such as 12h, 10d, 4w or 3mo (default 30d)")
	f.BoolVar(&c.all, "all", false, "what would go with prune --all")
	f.BoolVar(&c.asJSON, "json", false, "sizes in bytes, as JSON")
	a.ForeignFlag(cmd)
	return cmd
}

// usages are what there is of each kind, and what of it a plan removes.
func usages(l *history.Leftovers, p *history.Pruning) []usage {
	all := make([]usage, len(kinds))
	at := map[string]*usage{}
	for i, k := range kinds {
		all[i].Kind = k
		at[k] = &all[i]
	}
	ids := map[string]bool{}
	for _, s := range l.Stages {
		ids[s.BuildID] = true
	}
	at[kindBuilds].Number, at[kindBuilds].Prunable = len(ids), len(p.Builds)
	layers := at[kindLayers]
	for _, one := range p.Layers() {
		layers.Prunable++
		layers.Freed += max(one.Size, 0)
	}
	layers.Number, layers.Bytes = layers.Prunable, layers.Freed
	for _, one := range p.Store.Kept() {
		layers.Number++
		layers.Bytes += max(one.Size, 0)
	}
	for _, units := range [][]evict.Unit{l.Logs, l.Caches} {
		for _, u := range units {
			at[u.Kind].Number++
			at[u.Kind].Bytes += u.Size
		}
	}
	for _, u := range p.Units {
		at[u.Kind].Prunable++
		at[u.Kind].Freed += u.Size
	}
	return all
}

func (c *duCommand) print(all []usage) error {
	if c.asJSON {
		return render.WriteJSON(c.Stdout, all)
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNUMBER\tSIZE\tPRUNE REMOVES")
	total, freed := int64(0), int64(0)
	for _, u := range all {
		size, goes := bytesize.Format(u.Bytes), strconv.Itoa(u.Prunable)
		switch {
		case u.Kind == kindBuilds:
			size = "-"
		case u.Prunable > 0:
			goes += ", " + bytesize.Format(u.Freed)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", u.Kind, u.Number, size, goes)
		total, freed = total+u.Bytes, freed+u.Freed
	}
	fmt.Fprintf(w, "total\t\t%s\t%s\n", bytesize.Format(total), bytesize.Format(freed))
	return w.Flush()
}
