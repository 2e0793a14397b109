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

// SandboxFlags defines the options for running steps, and returns their names.
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

// Host describes who asks for a sandbox.
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

// Rung is the rung that this process was started for or, as far as known before entering
// it, will be.
func (a *App) Rung(ctx context.Context) rung.Rung {
	if _, r, ok := rung.All().Chosen(a.Getenv); ok {
		return r
	}
	return rung.All().Likely(ctx, a.Sandbox, a.Host())
}

// RoomOptions are the options for opening a rung.
type RoomOptions struct {
	Jobs       int   // steps at a time, less than 1 means 1
	StepMemory int64 // bytes that a step may use, 0 for no limit
	// Offline returns rung.ErrNotFetched instead of fetching anything.
	Offline bool
	Note    func(text string) // is called with changes after the rung was opened; may be nil
}

// OpenRoom opens the rung that this process was started for, below a directory of the
// account and for a store of layers. It also returns a line that names the rung and the
// reason, see rung.Choice.
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

// NetworkSetting is the place for the files of steps' networks.
func (a *App) NetworkSetting(room *rung.Room) network.Setting {
	return network.Setting{Dir: room.Scratch, Runtime: fmt.Sprintf("/run/user/%d", a.Account().UID)}
}

// NetworkRefused says why steps in a room cannot have a network that excludes the host's
// loopback, whatever the host provides; nil: they can.
func NetworkRefused(room *rung.Room) error {
	if room.Joins || room.WayOut {
		return nil
	}
	return fmt.Errorf("sandbox %s has no namespaces", room.What)
}
