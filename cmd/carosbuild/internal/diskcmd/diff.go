// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
)

// NewDiff is "carosbuild diff".
func NewDiff(a *cli.App) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff DISK DISK",
		Short: "List the differences between two disks; exit status 1 if there are any",
		Args:  cli.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return diff(cmd.Context(), a, args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// diff prints the differences, one per line.
func diff(ctx context.Context, a *cli.App, first, second string, asJSON bool) error {
	found := []inspect.Difference{}
	var failed error
	err := withDisk(first, func(x *inspect.Disk) error {
		return withDisk(second, func(y *inspect.Disk) error {
			return inspect.Diff(ctx, x, y, func(d inspect.Difference) {
				found = append(found, d)
				if asJSON || failed != nil {
					return
				}
				_, failed = fmt.Fprintln(a.Stdout, render.Printable(d.String()))
			})
		})
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case asJSON:
		if err := render.WriteJSON(a.Stdout, found); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return cli.Exit(cli.ExitFailed)
	}
	return nil
}
