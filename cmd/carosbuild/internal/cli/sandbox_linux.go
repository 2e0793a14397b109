// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/network"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// SandboxFlags are the options that say how steps are run, and their names.
func (a *App) SandboxFlags(cmd *cobra.Command) []string {
	f := cmd.PersistentFlags()
	f.StringVar(&a.Runtime, "runtime", a.Env("RUNTIME", ""), "OCI runtime to run steps with (default runc, else crun)")
	f.StringVar(&a.Sandbox, "sandbox", a.Env("SANDBOX", ""), "how steps run: "+strings.Join(rung.All().Names(), ", ")+" (default the first that works here, see carosbuild doctor)")
	f.StringVar(&a.Snapshots, "snapshots", a.Env("SNAPSHOTS", ""), "how steps get their root: overlay or copy (default the first that works where the store is)")
	f.StringVar(&a.Kernel, "vm-kernel", a.Env("VM_KERNEL", ""), "kernel of sandbox vm: a Debian package, or a directory with boot/vmlinuz-* and lib/modules (default this machine's, else Debian's)")
	return []string{"runtime", "sandbox", "snapshots", "vm-kernel"}
}

// SandboxNames are the values of --sandbox.
func SandboxNames() []string { return rung.All().Names() }

// CheckSandbox refuses a sandbox, or a kind of snapshots, that does not exist.
func (a *App) CheckSandbox() error {
	if a.Snapshots != "" && !slices.Contains(snapshot.Kinds(), snapshot.Kind(a.Snapshots)) {
		return Usagef("--snapshots %q: want overlay or copy", a.Snapshots)
	}
	if a.Sandbox == "" {
		return nil
	}
	if _, err := rung.All().Find(a.Sandbox); err != nil {
		return Usagef("--sandbox: %w", err)
	}
	return nil
}

// Host is who asks for a sandbox.
func (a *App) Host() rung.Host {
	h := rung.Host{Account: a.Account(), Runtime: a.Runtime, Kernel: a.Kernel, Mirror: func() (string, error) {
		from, err := debian.ReadHost("/", a.Getenv)
		return cmp.Or(from.Mirror, debian.DefaultMirror), err
	}}
	if d, err := a.places(); err == nil {
		h.Cache = d.Cache
	}
	if a.StoreDir != nil {
		h.Store = a.StoreDir()
	}
	return h
}

// Rung is the one that this process was started for, or will be, as far as that can be told
// before it is entered.
func (a *App) Rung(ctx context.Context) rung.Rung {
	if _, r, ok := rung.All().Chosen(a.Getenv); ok {
		return r
	}
	return rung.All().Likely(ctx, a.Sandbox, a.Host())
}

// RoomOptions say what a rung is opened for.
type RoomOptions struct {
	Jobs       int   // steps at a time, less than 1 means 1
	StepMemory int64 // bytes that a step may use, 0 for no limit
	// Offline fails with rung.ErrNotFetched rather than that something is fetched.
	Offline bool
	Note    func(text string) // hears what changes once the rung is open; may be nil
}

// OpenRoom opens the rung that this process was started for, below a directory of the
// account and for a store of layers, and returns a line that says which it is and why, see
// rung.Choice.
func (a *App) OpenRoom(ctx context.Context, d Dirs, dir string, store *layer.Store, o RoomOptions) (room *rung.Room, line string, err error) {
	choice, r, ok := rung.All().Chosen(a.Getenv)
	if !ok {
		return nil, "", errors.New("this process was started without a sandbox for steps")
	}
	setting := rung.Setting{
		Dir: dir, Runtime: a.Runtime, Kernel: a.Kernel, Cache: d.Cache, Jobs: o.Jobs, StepMemory: o.StepMemory, Records: store.OwnersFile(), Note: o.Note,
	}
	if !o.Offline || a.vendored != nil {
		setting.Packages = func() (*debian.Fetcher, debian.Host, error) { return a.Debian(d) }
	}
	if room, err = r.Open(ctx, setting); err != nil {
		return nil, "", err
	}
	return room, choice.Line(r, room.Details), nil
}

// NetworkSetting is where a network of steps keeps its files.
func (a *App) NetworkSetting(room *rung.Room) network.Setting {
	return network.Setting{Dir: room.Scratch, Runtime: fmt.Sprintf("/run/user/%d", a.Account().UID)}
}

// NetworkRefused says why steps in a room cannot have a network without the host's loopback,
// whatever else there is; nil: they can.
func NetworkRefused(room *rung.Room) error {
	if room.Joins || room.WayOut {
		return nil
	}
	return fmt.Errorf("sandbox %s has no namespaces", room.What)
}
