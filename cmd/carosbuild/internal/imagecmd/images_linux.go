// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/words"
)

// imageRow is one line of "carosbuild images".
type imageRow struct {
	BuildID     string         `json:"build_id"`
	Stage       string         `json:"stage"`
	Declaration []string       `json:"declaration,omitempty"` // names of the files
	Target      string         `json:"target,omitempty"`      // "disk" or "disk ID" of what a disk is made from, "stage" of another stage that was asked for
	Image       string         `json:"image"`
	Created     time.Time      `json:"created"` // the image
	Started     time.Time      `json:"started"` // the build
	Owner       string         `json:"owner,omitempty"`
	Size        int64          `json:"size"` // bytes of the layers, uncompressed
	Status      history.Status `json:"status"`
	Failed      bool           `json:"failed"`
	pulled      bool           // it was not built here
}

// imagesOptions are what "carosbuild images" was asked for.
type imagesOptions struct {
	json, all bool
	pattern   string // "" for none
}

// NewImages is "carosbuild images".
func NewImages(a *cli.App) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use: "images [BUILDID]", Short: "List the images of stages, the newest build of each declaration first",
		Example: `  carosbuild images               the newest build of each declaration
  carosbuild images '2026-11-*'   all builds of a month
  carosbuild images --all         all builds, and the images that their stages started from`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			o.pattern = strings.Join(args, "")
			if _, err := path.Match(o.pattern, ""); err != nil {
				return cli.Usagef("%q: %v", o.pattern, err)
			}
			return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, _ cli.Dirs) error {
				rows, err := imageRows(ctx, a, s, p, func(st history.StoredStage) bool {
					return (o.pattern == "" || history.MatchBuild(o.pattern, st.BuildID)) && (o.all || st.Status != history.Start)
				})
				if err != nil {
					return err
				}
				return printImages(a, rows, o, time.Now())
			})
		},
		ValidArgsFunction: complete.Args(a, complete.BuildIDs),
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "all builds as JSON")
	cmd.Flags().BoolVar(&o.all, "all", false, "all builds, and the images that stages started from")
	a.ForeignFlag(cmd)
	return cmd
}

func imageRows(ctx context.Context, a *cli.App, s *layer.Store, p layer.Paths, wanted func(history.StoredStage) bool) ([]imageRow, error) {
	images, err := s.Images()
	if err != nil {
		return nil, err
	}
	rows := []imageRow{}
	infos := map[string]history.BuildInfo{}
	for _, st := range history.StoredStages(images, localstore.Builds(p), a.Visible()) {
		chain, err := s.Chain(st.Image.Top)
		if err != nil || !wanted(st) {
			continue // being removed
		}
		var size int64
		for _, l := range chain {
			size += l.Size
		}
		info, known := infos[st.BuildID]
		if !known {
			info = localstore.BuildInfo(ctx, a, st.BuildID)
			infos[st.BuildID] = info
		}
		if st.Skipped {
			st.Status = history.Skipped
		}
		rows = append(rows, imageRow{
			BuildID: st.BuildID, Stage: st.Stage, Image: st.Image.ID, Created: st.Image.Created, Started: st.Started, Owner: st.Owner,
			Size: size, Status: st.Status, Failed: st.Status == history.Failed, Declaration: info.Declaration, Target: targetOf(info, st.Stage), pulled: info.Pulled,
		})
	}
	return rows, nil
}

// targetOf says what a stage of a build was for.
func targetOf(info history.BuildInfo, stage string) string {
	switch {
	case slices.Contains(info.DiskStages, stage) && len(info.DiskStages) == 1:
		return strings.TrimSpace("disk " + strings.Join(info.Disks, " "))
	case slices.Contains(info.DiskStages, stage):
		return "disk"
	case slices.Contains(info.Targets, stage):
		return "stage"
	}
	return ""
}

func printImages(a *cli.App, rows []imageRow, o imagesOptions, now time.Time) error {
	if o.json {
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	older := 0
	if !o.all && o.pattern == "" {
		rows, older = newestOfEach(rows)
	}
	w := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "BUILD ID\tSTAGE\tDECLARATION\tTARGET\tIMAGE\tAGE\tSIZE\tSTATUS")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.BuildID, r.Stage, render.OrDash(render.Printable(strings.Join(r.Declaration, " "))), render.OrDash(r.Target),
			r.Image[:min(12, len(r.Image))], render.Age(now.Sub(r.Started)), bytesize.Format(r.Size), r.Status)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if older > 0 {
		_, err := fmt.Fprintf(a.Stdout, "and %s: carosbuild images --all\n", words.Count(older, "older build"))
		return err
	}
	return nil
}

// newestOfEach are the rows of the newest build of each declaration, and how many
// other builds there are. What was pulled is always among them.
func newestOfEach(rows []imageRow) ([]imageRow, int) {
	newest, builds := map[string]string{}, map[string]bool{}
	var out []imageRow
	for _, r := range rows { // the newest build first
		builds[r.BuildID] = true
		d := strings.Join(r.Declaration, "\n")
		if r.pulled {
			d = "\n" + r.BuildID
		}
		if newest[d] == "" {
			newest[d] = r.BuildID
		}
		if newest[d] == r.BuildID {
			out = append(out, r)
		}
	}
	return out, len(builds) - len(newest)
}
