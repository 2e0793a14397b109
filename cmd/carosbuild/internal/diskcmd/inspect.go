// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// inspection is "carosbuild inspect" with its flags.
type inspection struct {
	*cli.App
	asJSON, check bool
	list, cat     string
}

// NewInspect is "carosbuild inspect".
func NewInspect(a *cli.App) *cobra.Command {
	c := &inspection{App: a}
	cmd := &cobra.Command{
		Use:   "inspect DISK",
		Short: "Show what is on a disk: partitions, file systems, boot parts, files",
		Long: "Show what is on a disk of any format that is read: table, partitions, file systems, boot parts, system.\n\n" +
			"PATH of --ls and --cat is /PATH on the partition with the operating system, or PARTITION:/PATH, where\n" +
			"PARTITION is a number, a name, or a file system's label.",
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "as JSON")
	cmd.Flags().BoolVar(&c.check, "check", false, "check structures, checksums and file systems; exit status 1 for damage, 6 for content that cannot be read")
	cmd.Flags().StringVar(&c.list, "ls", "", "list the directory or file PATH")
	cmd.Flags().StringVar(&c.cat, "cat", "", "write the content of the file PATH to standard output")
	cmd.MarkFlagsMutuallyExclusive("check", "ls", "cat")
	cmd.MarkFlagsMutuallyExclusive("json", "ls")
	cmd.MarkFlagsMutuallyExclusive("json", "cat")
	return cmd
}

// withDisk opens a disk and closes it again.
func withDisk(path string, f func(d *inspect.Disk) error) (err error) {
	o, err := disk.OpenDisk(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	d, err := inspect.Open(o)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	if err := f(d); err != nil {
		var inner cli.Exit
		if errors.As(err, &inner) || strings.HasPrefix(err.Error(), "inspect ") { // another disk's
			return err
		}
		return fmt.Errorf("inspect %s: %w", path, err)
	}
	return nil
}

func (c *inspection) run(ctx context.Context, path string) error {
	return withDisk(path, func(d *inspect.Disk) error {
		switch {
		case c.list != "":
			return c.listPath(d)
		case c.cat != "":
			return c.copyOut(d)
		case c.check:
			return c.checkDisk(ctx, path, d)
		}
		r, err := d.Report()
		if err != nil {
			return err
		}
		return c.show(path, r)
	})
}

func (c *inspection) show(path string, r *inspect.Report) error {
	if c.asJSON {
		return render.WriteJSON(c.Stdout, r)
	}
	return render.Report(c.Stdout, path, r)
}

// checkDisk prints one finding per line and then the verdict; with --json both are
// in the report.
func (c *inspection) checkDisk(ctx context.Context, path string, d *inspect.Disk) error {
	problems, err := d.Check(ctx)
	if err != nil {
		return err
	}
	verdict := damage.VerdictOf(problems)
	if c.asJSON {
		r, err := d.Report()
		if err != nil {
			return err
		}
		r.Checked, r.Problems, r.Verdict = true, problems, verdict
		if err := render.WriteJSON(c.Stdout, r); err != nil {
			return err
		}
		return verdictExit(verdict)
	}
	for _, p := range problems {
		if _, err := fmt.Fprintln(c.Stdout, render.Printable(p.String())); err != nil {
			return err
		}
	}
	if _, err = fmt.Fprintf(c.Stdout, "%s: %s\n", render.Printable(path), sentence(verdict)); err != nil {
		return err
	}
	return verdictExit(verdict)
}

// sentence is a verdict in words.
func sentence(v damage.Verdict) string {
	switch v {
	case damage.Damaged:
		return "damaged"
	case damage.Unread:
		return "not wholly read; no damage found in what was read"
	}
	return "no damage found"
}

// verdictExit is the exit status for a verdict, nil for a disk without problems.
func verdictExit(v damage.Verdict) error {
	switch v {
	case damage.Damaged:
		return cli.Exit(cli.ExitFailed)
	case damage.Unread:
		return cli.Exit(cli.ExitUnread)
	}
	return nil
}

func (c *inspection) copyOut(d *inspect.Disk) error {
	_, e, err := d.Find(c.cat)
	if err != nil {
		return err
	}
	if e.Type() == tree.Symlink {
		return fmt.Errorf("/%s is a link to %s, which does not exist", e.Path, e.Link)
	}
	if e.Type() != tree.Regular {
		return fmt.Errorf("/%s is not a regular file", e.Path)
	}
	if e.Size == 0 {
		return nil
	}
	_, err = io.Copy(c.Stdout, io.NewSectionReader(e.Content, 0, e.Size))
	return err
}
