// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/userns"
)

// New is "carosbuild doctor".
func New(a *cli.App) *cobra.Command {
	c := &checkup{App: a}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Try what builds need of this host, and say what is missing",
		Long: `Try what builds need of this host, and say what is missing and what to do about
it. Nothing is changed. The exit status is 4 if no build can work here; what only
some declarations need may be missing.`,
		Args: cli.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.examine(cmd) },
	}
	cmd.Flags().BoolVar(&c.json, "json", false, "print what was found as JSON")
	return cmd
}

// checkup is a visit to the doctor.
type checkup struct {
	*cli.App
	json   bool
	found  findings // for json, and what the outer program has found
	failed error    // the first thing without which nothing works
}

// findings are what the doctor says, as --json prints it.
type findings struct {
	Sandboxes []rung.Verdict `json:"sandboxes"`
	Chosen    string         `json:"sandbox,omitempty"` // how steps run; "" where they cannot
	Checks    []check        `json:"checks"`
}

type check struct {
	State  string `json:"state"` // "ok", "missing" for what some builds need, or "FAILED"
	What   string `json:"what"`
	Detail string `json:"detail"`
}

// examine looks at what there is outside of the sandbox, and then inside.
func (c *checkup) examine(cmd *cobra.Command) error {
	if userns.Inside(c.Getenv) {
		data, err := userns.ReadHandover(c.Getenv)
		if err == nil && len(data) > 0 {
			err = json.Unmarshal(data, &c.found)
		}
		if err != nil {
			return err
		}
		if _, r, ok := rung.All().Chosen(c.Getenv); ok {
			c.found.Chosen = r.Name
		}
		return errors.Join(c.run(cmd.Context()), c.printJSON())
	}
	c.kernel()
	if err := c.ladder(cmd.Context()); err != nil {
		return err
	}
	data, err := json.Marshal(c.found)
	if err != nil {
		return err
	}
	err = c.EnterWith(cmd, data)
	if remedy.Is(err) {
		return errors.Join(err, c.printJSON())
	}
	return err
}

// ladder tries all sandboxes.
func (c *checkup) ladder(ctx context.Context) error {
	verdicts, err := rung.All().TryAll(ctx, c.Host())
	if err != nil {
		return err
	}
	c.found.Sandboxes = verdicts
	if c.json {
		return nil
	}
	for _, v := range verdicts {
		if v.Works {
			c.line("ok", "sandbox", v.Name+", "+v.Cost)
			continue
		}
		detail := v.Name + ", " + v.Cost + ": " + render.Printable(v.Refused.Reason)
		if v.Refused.Cure != "" {
			detail += "; remedy: " + v.Refused.Cure
		}
		c.line("missing", "sandbox", detail)
	}
	return nil
}

// printJSON prints what was found, if it was not printed line by line.
func (c *checkup) printJSON() error {
	if !c.json {
		return nil
	}
	e := json.NewEncoder(c.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(c.found)
}

func (c *checkup) line(state, what, detail string) {
	if c.json {
		c.found.Checks = append(c.found.Checks, check{state, what, detail})
		return
	}
	fmt.Fprintf(c.Stdout, "%-8s %-18s %s\n", state, what, detail)
}

// need tells how something went that every build needs.
func (c *checkup) need(what, detail string, err error) {
	if err == nil {
		c.line("ok", what, detail)
		return
	}
	failed := &remedy.Error{Tried: err.Error()}
	var host *remedy.Error
	if errors.As(err, &host) {
		failed = host
	}
	c.line("FAILED", what, render.Printable(failed.Tried))
	if c.failed == nil {
		c.failed = failed
	}
}

// lack tells of something that some builds need.
func (c *checkup) lack(what, detail, cure string) {
	c.line("missing", what, detail+": "+cure)
}

func (c *checkup) kernel() {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		c.need("kernel", "", err)
		return
	}
	c.line("ok", "kernel", fmt.Sprintf("%s %s, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), runtime.GOARCH))
}

// run looks at what there is inside the namespaces.
func (c *checkup) run(ctx context.Context) error {
	ids, err := mappedIDs()
	c.need("ids", ids, err)
	d, err := c.Dirs()
	if err != nil {
		return err
	}
	p, err := localstore.Paths(c.App)
	if err != nil {
		return err
	}
	c.space("cache", d.Cache)
	c.space("logs", d.State)
	if place := c.space("store", p.GraphRoot); place != "" {
		if err := c.tryIn(ctx, place); err != nil {
			return err
		}
	}
	if note := localstore.PodmanNote(c.App, p); note != "" {
		c.line("missing", "podman", note)
	}
	c.mirror(ctx)
	c.tools()
	return c.failed
}

// tryIn tries things in a new directory in place, which is gone afterwards.
func (c *checkup) tryIn(ctx context.Context, place string) error {
	const prefix = ".carosbuild-doctor-"
	if left, err := filepath.Glob(filepath.Join(place, prefix+"*")); err == nil { // of one that was killed; a courtesy
		for _, dir := range left {
			if st, err := os.Stat(dir); err == nil && time.Since(st.ModTime()) > time.Hour {
				_ = os.RemoveAll(dir)
			}
		}
	}
	dir, err := os.MkdirTemp(place, prefix)
	if err != nil {
		c.need("store", "", err)
		return nil
	}
	return errors.Join(c.trial(ctx, dir), os.RemoveAll(dir))
}

// mappedIDs says how many ids the namespace has.
func mappedIDs() (string, error) {
	var counts [2]int64
	for i, file := range []string{"/proc/self/uid_map", "/proc/self/gid_map"} {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		for l := range strings.Lines(string(data)) {
			var inside, outside, n int64
			if _, err := fmt.Sscan(l, &inside, &outside, &n); err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
			counts[i] += n
		}
	}
	return fmt.Sprintf("%d of users, %d of groups", counts[0], counts[1]), nil
}

// existing is a directory, or the nearest one above it that exists.
func existing(dir string) (string, error) {
	for {
		st, err := os.Stat(dir)
		if err == nil && !st.IsDir() {
			err = unix.ENOTDIR
		}
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}

// plenty is how much free space a build of a whole system wants, in bytes.
const plenty = 8 << 30

// space looks at where dir is or would be, which has to be writable, and returns
// the directory that is there, or "".
func (c *checkup) space(what, dir string) string {
	place, err := existing(dir)
	if err == nil {
		err = unix.Access(place, unix.W_OK|unix.X_OK)
	}
	var st unix.Statfs_t
	if err == nil {
		err = unix.Statfs(place, &st)
	}
	if err != nil {
		c.need(what, "", &fs.PathError{Op: "write below", Path: dir, Err: err})
		return ""
	}
	free := int64(st.Bavail) * st.Bsize
	detail := fmt.Sprintf("%s, %s free", dir, bytesize.Format(free))
	if free < plenty {
		c.lack(what, detail, "a build of a whole system takes "+bytesize.Format(plenty)+"; carosbuild prune makes room")
		return place
	}
	c.need(what, detail, nil)
	return place
}

// trial makes a store in a directory, runs a step in it, this program, and tries
// programs of other architectures.
func (c *checkup) trial(ctx context.Context, dir string) (err error) {
	kinds := localstore.SnapshotKinds(c.App)
	kind, slower, why := layer.Choose(dir, kinds)
	for _, w := range slower {
		c.lack("overlay", render.Printable(w.Reason())+"; each step begins with a copy of what is below it", localstore.PlaceCure)
	}
	if why != nil {
		bound, err := localstore.MemoryStore(why)
		if err == nil {
			err = userns.MountMemory(dir, bound)
		}
		if err == nil {
			kind, _, err = layer.Choose(dir, kinds)
		}
		if err != nil {
			c.need("overlay", "", err)
			return nil
		}
		defer func() { err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH)) }()
		if place, ok := errors.AsType[*layer.PlaceError](why); ok {
			place.Dir = filepath.Dir(dir)
		}
		c.lack("overlay", fmt.Sprintf("%v; it would be in memory, at most %s, and gone with each run", why, bytesize.Format(bound)), localstore.PlaceCure)
	}
	s, err := layer.Open(ctx, layer.Options{GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Snapshots: kind})
	if err != nil {
		c.need("layers", "", err)
		return nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	top, err := engine.TryLayers(ctx, engine.Layers{Store: s})
	what, detail := "overlay", "layers can be made and mounted"
	if kind == layer.Copy {
		what, detail = "layers", "can be made, and are copied"
	}
	if c.need(what, detail, err); err != nil {
		return nil
	}
	dirs, err := c.Dirs()
	if err != nil {
		return err
	}
	room, _, err := c.OpenRoom(ctx, dirs, dir, nil)
	if err != nil {
		c.need("runtime", "", err)
		return nil
	}
	defer func() { err = errors.Join(err, room.Close()) }()
	err = engine.TryStep(ctx, engine.Layers{Store: s}, room.Sandbox, top)
	if c.need("runtime", room.What+" runs a step", err); err == nil {
		c.emulation(ctx, room.Sandbox)
	}
	return nil
}

// emulation tries programs of the architectures that the built-in boards have.
func (c *checkup) emulation(ctx context.Context, box engine.Sandbox) {
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		if arch == runtime.GOARCH {
			continue
		}
		err := box.Emulate(ctx, arch)
		var host *remedy.Error
		switch {
		case err == nil:
			c.line("ok", arch, "its programs run here")
		case errors.As(err, &host):
			c.lack(arch, render.Printable(host.Tried), host.Cure)
		default:
			c.lack(arch, "its programs do not run here", render.Printable(err.Error()))
		}
	}
}

// mirror asks the Debian mirror for anything.
func (c *checkup) mirror(ctx context.Context) {
	const what, cure = "mirror", "for <bootstrap>: set " + debian.EnvMirror + ", or a proxy"
	host, err := debian.ReadHost("/", c.Getenv)
	if err != nil {
		c.lack(what, "the host's apt configuration cannot be read", render.Printable(err.Error()))
		return
	}
	if host.Mirror == "" {
		c.lack(what, "the host names no Debian mirror, the public one is taken", cure)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, strings.TrimSuffix(host.Mirror, "/")+"/dists/stable/InRelease", http.NoBody)
	if err != nil {
		c.lack(what, render.Printable(err.Error()), cure)
		return
	}
	res, err := host.HTTPClient().Do(req)
	if err != nil {
		c.lack(what, render.Printable(err.Error()), cure)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body) // a HEAD has none
	res.Body.Close()
	if res.StatusCode >= 400 {
		c.lack(what, render.Printable(req.URL.Redacted())+": "+render.Printable(res.Status), cure)
		return
	}
	c.line("ok", what, render.Printable(host.Mirror)+" answers")
}

// tools are programs that some builds and commands run.
func (c *checkup) tools() {
	for _, t := range []struct{ name, use, pkg string }{
		{"git", "git layers", "git"},
		{"qemu-img", "carosbuild boot", "qemu-utils"},
		{"qemu-system-x86_64", "carosbuild boot, of disks for PCs", "qemu-system-x86"},
		{"qemu-system-arm", "carosbuild boot, of boards", "qemu-system-arm"},
	} {
		path, err := exec.LookPath(t.name)
		if err != nil {
			c.lack(t.name, "for "+t.use, "apt-get install "+t.pkg)
			continue
		}
		c.line("ok", t.name, path)
	}
}
