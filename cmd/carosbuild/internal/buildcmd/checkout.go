// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/bitbake"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// NewCheckout is "carosbuild checkout".
func NewCheckout(a *cli.App) *cobra.Command {
	c := &planner{App: a}
	to := "."
	cmd := &cobra.Command{
		Use:   "checkout FILE...",
		Short: "Check out the git layers of a declaration below this folder",
		Long: `Check the git layers of a declaration out: the base layer into its own folder
below this one, the other layers into that. No stage is built.

A checkout that is at its commit is left alone. One at another commit is moved,
unless files in it were changed or it has commits of its own. Branches and tags
stand for what the lock file says, or else an earlier build or checkout has
found, until --update is given.`,
		Example: `  carosbuild checkout vmware.xml
  carosbuild checkout vmware.xml --to /src --remote yocto=https://git.example.org/mirror/`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.checkout(cmd.Context(), to)
		},
	}
	declfile.RemoteFlag(cmd.Flags(), &c.remotes)
	declfile.HiddenKasFlags(c.App, cmd.Flags())
	declfile.ConfineFlag(c.App, cmd.Flags())
	f := cmd.Flags()
	f.StringVar(&to, "to", ".", "folder to check out into")
	f.BoolVar(&c.update, "update", false, "resolve branches and tags again")
	f.BoolVar(&c.locked, "locked", false, "use only the versions in the lock file (see carosbuild lock)")
	return cmd
}

// checkoutName is that of the remote and the branch in each checkout.
const checkoutName = "carosbuild"

// checkout checks all git trees of the declaration out below a folder.
func (c *planner) checkout(ctx context.Context, to string) error {
	if c.locked && c.update {
		return cli.Usagef("--locked and --update contradict each other")
	}
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	j, err := c.loadJob(ctx, false)
	if err != nil {
		return err
	}
	lock, err := c.readLock()
	if err != nil {
		return err
	}
	r, err := c.resolver(j, view, lock)
	if err != nil {
		return err
	}
	trees, err := r.ResolveTrees(ctx, j.decl)
	if err != nil {
		return err
	}
	pins := make([]git.Pinned, len(trees))
	for i, t := range trees {
		pins[i] = t.From
	}
	if err := r.Git.Ensure(ctx, pins); err != nil {
		return plan.MissingCommits(err, trees, pins)
	}
	var done strings.Builder
	for _, t := range trees {
		path := strings.TrimPrefix(t.Path, bitbake.SourceDir+"/")
		how, err := checkoutTree(ctx, r.Git, t.From, to, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&done, "%s %s %s\n", path, t.Commit, how)
	}
	view.Close()
	_, err = io.WriteString(c.Stdout, done.String())
	return err
}

// checkoutTree makes or moves one checkout, and says which.
func checkoutTree(ctx context.Context, cache *git.Cache, p git.Pinned, to, path string) (string, error) {
	if err := noLinks(to, path); err != nil {
		return "", err
	}
	dir := filepath.Join(to, path)
	o := git.CheckoutOptions{RemoteName: checkoutName, Branch: checkoutName}
	if _, err := os.Lstat(filepath.Join(dir, ".git")); errors.Is(err, fs.ErrNotExist) {
		return "checked out", cache.Checkout(ctx, p, dir, o)
	} else if err != nil {
		return "", err
	}
	moved, err := cache.Move(ctx, p, dir, o)
	if moved {
		return "moved", err
	}
	return "unchanged", err
}

// noLinks refuses a path that a link leads elsewhere: what lies on the way may
// have come with another layer.
func noLinks(to, path string) error {
	at := to
	for part := range strings.SplitSeq(filepath.Clean(path), "/") {
		at = filepath.Join(at, part)
		st, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return fmt.Errorf("%s is not a directory, and a git layer is to be checked out there", at)
		}
	}
	return nil
}
