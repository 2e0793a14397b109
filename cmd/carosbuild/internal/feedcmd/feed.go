// SPDX-License-Identifier: MPL-2.0

package feedcmd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/feed"
	"github.com/carosio/carosbuild/pkg/progress"
)

// New is "carosbuild feed".
func New(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use: "feed", Short: "Show .ipk and .deb packages; reduce and index feeds of packages",
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			return cli.Usagef("want feed info, feed reduce or feed index, got %q", strings.Join(args, " "))
		},
	}
	cmd.AddCommand(feedInfoCommand(a), feedReduceCommand(a), feedIndexCommand(a))
	return cmd
}

func feedInfoCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "info FILE [control|files|name|deps|fingerprint]",
		Short: "Show a package's control file, files, name, dependencies or fingerprint",
		RunE: func(cmd *cobra.Command, args []string) error {
			what := "control"
			switch len(args) {
			case 1:
			case 2:
				what = args[1]
			default:
				return cli.Usagef("usage: %s", cmd.UseLine())
			}
			show, ok := feedInfo[what]
			if !ok {
				return cli.Usagef("%q: want control, files, name, deps or fingerprint", what)
			}
			p, err := feed.Inspect(args[0], debfile.DefaultLimits())
			if err != nil {
				return err
			}
			err = show(p, func(line string) error {
				_, err := fmt.Fprintln(a.Stdout, render.Printable(line))
				return err
			})
			if err != nil {
				err = fmt.Errorf("%s: %w", args[0], err)
			}
			return errors.Join(err, p.Close())
		},
	}
}

// feedInfo are the words of feed info. The text of a package is not trusted: it is
// printed line by line.
var feedInfo = map[string]func(p *feed.Inspected, line func(string) error) error{
	"control": func(p *feed.Inspected, line func(string) error) error {
		for l := range strings.Lines(p.Control()) {
			if err := line(strings.TrimRight(l, "\r\n")); err != nil {
				return err
			}
		}
		return nil
	},
	"files": func(p *feed.Inspected, line func(string) error) error { return p.Files(line) },
	"flist": func(p *feed.Inspected, line func(string) error) error { return p.Files(line) }, // the word in ipkg-info.sh
	"name":  func(p *feed.Inspected, line func(string) error) error { return line(p.Name()) },
	"deps": func(p *feed.Inspected, line func(string) error) error {
		for _, d := range p.Depends() {
			if err := line(p.Name() + ": " + d); err != nil {
				return err
			}
		}
		return nil
	},
	"fingerprint": func(p *feed.Inspected, line func(string) error) error {
		f, err := p.Fingerprint()
		if err != nil {
			return err
		}
		for _, l := range []string{"Package: " + f.Package, "Version: " + f.Version, "Base-Version: " + f.Base, "Package-Fingerprint: " + f.Sum} {
			if err := line(l); err != nil {
				return err
			}
		}
		return nil
	},
}

// feedIndex are the flags that determine the index of a feed.
type feedIndex struct{ flat, release bool }

func (x *feedIndex) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&x.flat, "flat", false, "one index at the top, instead of one in each directory with packages")
	cmd.Flags().BoolVar(&x.release, "release", false, "write apt's Release too, unsigned")
}

// index returns the options for the flags. Release has a date.
func (x *feedIndex) index(a *cli.App) (feed.Index, error) {
	date := time.Now()
	epoch, err := a.SourceDateEpoch()
	if err != nil {
		return feed.Index{}, err
	}
	if epoch != nil {
		date = time.Unix(*epoch, 0)
	}
	return feed.Index{Flat: x.flat, Release: x.release, Date: date}, nil
}

func feedIndexCommand(a *cli.App) *cobra.Command {
	var x feedIndex
	cmd := &cobra.Command{
		Use:   "index DIR",
		Short: "Write Packages and Packages.gz for the packages below a directory",
		Args:  cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := x.index(a)
			if err != nil {
				return err
			}
			return withFeed(a, func(o feed.Options) error { return feed.WriteIndex(cmd.Context(), args[0], index, o) })
		},
	}
	x.flags(cmd)
	return cmd
}

// withFeed shows the progress of work on a feed.
func withFeed(a *cli.App, f func(feed.Options) error) error {
	view, err := a.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	return f(feed.Options{Jobs: runtime.NumCPU(), Limits: debfile.DefaultLimits(), Events: func(e feed.Event) {
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: e.Step, Done: e.Done, Total: e.Total})
	}})
}

// reduction is "carosbuild feed reduce" with its flags.
type reduction struct {
	*cli.App
	feedIndex
	out         string
	references  []string
	changedOnly bool
	asJSON      bool
}

func feedReduceCommand(a *cli.App) *cobra.Command {
	r := &reduction{App: a}
	cmd := &cobra.Command{
		Use:   "reduce -o OUT -r OLDER PACKAGE|DIR...",
		Short: "Make a feed in which packages that did not change are those of an older feed",
		Long: "Compare packages with those of an older feed. Where nothing but the build differs, the older package stands in the\n" +
			"new feed; the others are taken, and relations in them that name a version of a kept package name the older one.\n\n" +
			"Prints SKIP PACKAGE VERSION: KEPT VERSION, or TAKE PACKAGE VERSION: REASON, for each package.",
		Example: "  carosbuild feed reduce -o feed-16.04 -r feed-16.03 tmp/deploy/ipk",
		RunE:    func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVarP(&r.out, "output", "o", "", "the directory that is made; it must not exist or be empty")
	cmd.Flags().StringArrayVarP(&r.references, "reference", "r", nil, "older feed, or a package of one; may be given again")
	cmd.Flags().BoolVar(&r.changedOnly, "changed-only", false, "leave packages that did not change out of OUT")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "print the decisions as JSON")
	r.flags(cmd)
	return cmd
}

func (r *reduction) run(ctx context.Context, args []string) error {
	switch {
	case r.out == "":
		return cli.Usagef("-o is missing: it names the directory to create")
	case len(r.references) == 0:
		return cli.Usagef("-r is missing: it names the older feed")
	case len(args) == 0:
		return cli.Usagef("no package or directory is named")
	}
	index, err := r.index(r.App)
	if err != nil {
		return err
	}
	var plan *feed.Plan
	err = withFeed(r.App, func(o feed.Options) (err error) {
		plan, err = r.reduce(ctx, args, feed.WriteOptions{Options: o, Index: index, ChangedOnly: r.changedOnly})
		return err
	})
	if err != nil {
		return err
	}
	return r.print(plan)
}

func (r *reduction) reduce(ctx context.Context, args []string, o feed.WriteOptions) (_ *feed.Plan, err error) {
	packages, release, err := feed.Scan(ctx, args, o.Options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	older, releaseOlder, err := feed.Scan(ctx, r.references, o.Options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, releaseOlder()) }()
	plan, err := feed.Compare(ctx, packages, older, o.Options)
	if err != nil {
		return nil, err
	}
	return plan, plan.Write(ctx, r.out, o)
}

// decision is a feed.Decision in JSON.
type decision struct {
	Package      string `json:"package"`
	Architecture string `json:"architecture"`
	Version      string `json:"version"`
	Kept         string `json:"kept,omitempty"`   // older version
	Reason       string `json:"reason,omitempty"` // reason for taking it
	Rewritten    bool   `json:"rewritten,omitempty"`
}

func (r *reduction) print(plan *feed.Plan) error {
	list := []decision{}
	skipped := 0
	for _, d := range plan.Decisions {
		p := d.Package
		x := decision{Package: p.Name, Architecture: p.Arch, Version: p.Version, Reason: d.Reason, Rewritten: d.Rewritten()}
		line := fmt.Sprintf("TAKE %s %s: %s", p.Name, p.Version, d.Reason)
		if d.Kept != nil {
			x.Kept = d.Kept.Version
			line = fmt.Sprintf("SKIP %s %s: %s", p.Name, p.Version, d.Kept.Version)
			skipped++
		}
		list = append(list, x)
		if r.asJSON {
			continue
		}
		if _, err := fmt.Fprintln(r.Stdout, render.Printable(line)); err != nil {
			return err
		}
	}
	if r.asJSON {
		return render.WriteJSON(r.Stdout, list)
	}
	_, err := fmt.Fprintf(r.Stdout, "%d packages: %d unchanged, %d new\n", len(list), skipped, len(list)-skipped)
	return err
}
