// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/serve"
)

// serveCommand is "carosbuild serve".
type serveCommand struct {
	*cli.App
	source
	port   int
	listen string
}

// NewServe is "carosbuild serve".
func NewServe(a *cli.App) *cobra.Command {
	c := &serveCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Images, complete.Nothing),
		Use:               "serve [BUILDID[:STAGE]]",
		Short:             "Serve disks, artifacts, packages and logs of a build to browsers",
		Long:              "Serve disks, artifacts, packages and logs of a build to browsers.\n\n" + sourceHelp,
		Example: `  carosbuild serve                             the newest build, for this machine only
  carosbuild serve ID --listen 192.0.2.1:8080  for everybody who can reach that address
  carosbuild serve oci:some/directory          what Yocto has deployed in an image`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			addr, err := c.address()
			if err != nil {
				return err
			}
			c.StageShown = true
			err = c.with(a, cmd, strings.Join(args, ""), func(ctx context.Context, b *build, d cli.Dirs) error {
				return c.run(ctx, b, d, addr)
			})
			c.EndedBySignal = err == nil // nothing else ends it
			return err
		},
	}
	f := cmd.Flags()
	f.IntVar(&c.port, "port", 0, "port on this machine's loopback address (default a free one)")
	f.StringVar(&c.listen, "listen", "", "address to listen on instead, ADDR:PORT: everybody who can reach it can read what is served")
	c.flags(cmd)
	a.ForeignFlag(cmd)
	return cmd
}

// address is where the flags say to listen.
func (c *serveCommand) address() (string, error) {
	switch {
	case c.port < 0 || c.port > 65535:
		return "", cli.Usagef("--port %d: want 1 to 65535", c.port)
	case c.listen == "":
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)), nil
	case c.port != 0:
		return "", cli.Usagef("--port cannot be combined with --listen, which contains a port")
	}
	_, port, err := net.SplitHostPort(c.listen)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		return "", cli.Usagef("--listen %q: want ADDR:PORT", c.listen)
	}
	return c.listen, nil
}

func (c *serveCommand) run(ctx context.Context, b *build, d cli.Dirs, addr string) error {
	main, err := b.offer(ctx)
	if err != nil {
		return err
	}
	all := []*serve.Build{main}
	for _, r := range b.reports {
		if r.BuildID != b.id {
			dir := filepath.Join(d.Logs(), r.BuildID)
			other := &build{id: r.BuildID, report: r, logDir: dir, reports: b.reports}
			all = append(all, &serve.Build{Report: r, LogDir: dir, Logs: stageLogs(r, dir), Page: other.page})
		}
	}
	slices.SortStableFunc(all, func(x, y *serve.Build) int { return y.Report.Start.Compare(x.Report.Start) })
	digests, err := openDigests(b.digests(), all, d.Logs())
	if err != nil {
		return err
	}
	l, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	local := serve.Loopback(l.Addr())
	site := serve.NewSite(main, all, serve.Options{Loopback: local, Zone: time.Local, Digests: digests})
	if !local {
		fmt.Fprintf(c.Stderr, "warning: everybody who can reach %s can read disks, artifacts and logs of your builds\n", l.Addr())
	}
	fmt.Fprintf(c.Stdout, "http://%s/\n", reachable(l.Addr()))
	var hashing sync.WaitGroup
	hashing.Go(func() { site.Hash(ctx) })
	err = serve.Serve(ctx, l, site)
	hashing.Wait()
	return err
}

// digests is the file for the digests of what the build has, "" for none.
func (b *build) digests() string {
	if b.logDir == "" {
		return ""
	}
	return filepath.Join(b.logDir, "digests.json")
}

// listen listens at an address: at 0.0.0.0 not for IPv6 too.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	network := "tcp"
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is4() {
		network = "tcp4"
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, addr)
	var op *net.OpError
	if errors.As(err, &op) {
		return nil, cli.Usagef("listen on %s: %w", addr, op.Err)
	}
	return l, err
}

// reachable is an address with a name where it stands for all of this machine.
func reachable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	name, err := os.Hostname()
	if !ok || err != nil || !t.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort(name, strconv.Itoa(t.Port))
}

// maxListed is how many builds are listed, the newest first.
const maxListed = 200

// readReports are the reports of this user's builds, the newest first. What
// cannot be read is left out.
func readReports(dir string) []*history.Report {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []*history.Report
	for _, e := range entries {
		r, err := history.ReadReport(filepath.Join(dir, e.Name()))
		if err == nil && r.BuildID == e.Name() && cli.CleanBuildID(r.BuildID) == r.BuildID {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(x, y *history.Report) int {
		return cmp.Or(y.Start.Compare(x.Start), strings.Compare(y.BuildID, x.BuildID))
	})
	return out[:min(len(out), maxListed)]
}

// offer is all that the build has.
func (b *build) offer(ctx context.Context) (*serve.Build, error) {
	set, err := b.collect(ctx, nil)
	if err != nil {
		return nil, err
	}
	out := &serve.Build{Report: b.report, Stage: b.stage, LogDir: b.logDir, Set: set}
	if out.Report == nil {
		out.Report = &history.Report{Schema: history.ReportSchema, BuildID: b.id}
	}
	if b.report != nil {
		out.Page = b.page
	}
	out.Logs = stageLogs(out.Report, b.logDir)
	if b.stage == "" {
		return out, nil
	}
	r, err := b.root(ctx, b.stage)
	if err != nil {
		return nil, err
	}
	cooker, packages := r.HasLogs()
	if cooker {
		out.Cooker = r.CookerLogs
	}
	if packages {
		out.PackageLogs = r.PackageLogs
	}
	return out, nil
}

// stageLogs are the names of the logs in dir: in the order of the report's
// stages, then what it does not name.
func stageLogs(r *history.Report, dir string) []string {
	var there, out []string
	for _, path := range logsIn(dir) {
		there = append(there, filepath.Base(path))
	}
	for _, s := range r.Stages {
		if name := s.ID + ".log"; slices.Contains(there, name) {
			out = append(out, name)
		}
	}
	for _, name := range there {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// openDigests knows the digests that reports have, and writes into the
// reports those of disks that it learns.
func openDigests(file string, all []*serve.Build, logs string) (*serve.Digests, error) {
	known := map[string]string{}
	type place struct {
		report *history.Report
		output int
	}
	places := map[string]place{}
	for _, b := range all {
		for i, o := range b.Report.Outputs {
			places[serve.DiskKey(o)] = place{b.Report, i}
			if o.SHA256 != "" {
				known[serve.DiskKey(o)] = o.SHA256
			}
		}
	}
	return serve.OpenDigests(file, known, func(key, sum string) {
		p, ok := places[key]
		if !ok {
			return
		}
		dir := filepath.Join(logs, p.report.BuildID)
		now, err := history.ReadReport(dir) // another build of this id may have replaced it
		if err != nil || p.output >= len(now.Outputs) || serve.DiskKey(now.Outputs[p.output]) != key {
			return
		}
		now.Outputs[p.output].SHA256 = sum
		_ = history.WriteReport(dir, now) // it can be worked out again
	})
}

// logsIn are the paths of the logs in a directory.
func logsIn(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".log") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}
