// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/layer"
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
	if a.Snapshots != "" && !slices.Contains(layer.Kinds(), layer.Kind(a.Snapshots)) {
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
	return rung.Host{Account: a.Account(), Runtime: a.Runtime, Kernel: a.Kernel}
}

// Rung is the one that this process was started for, or will be, as far as that can be told
// before it is entered.
func (a *App) Rung(ctx context.Context) rung.Rung {
	if _, r, ok := rung.All().Chosen(a.Getenv); ok {
		return r
	}
	return rung.All().Likely(ctx, a.Sandbox, a.Host())
}

// OpenRoom opens the rung that this process was started for, below a directory of the
// account and for a store of layers, and returns a line that says which it is and why; "" for
// the best. Note, unless it is nil, is told what the rung says of itself.
func (a *App) OpenRoom(ctx context.Context, d Dirs, dir string, store *layer.Store, note func(string)) (room *rung.Room, line string, err error) {
	choice, r, ok := rung.All().Chosen(a.Getenv)
	if !ok {
		return nil, "", errors.New("this process was started without a sandbox for steps")
	}
	setting := rung.Setting{
		Dir: dir, Runtime: a.Runtime, Kernel: a.Kernel, Cache: d.Cache, Note: note,
		Packages: func() (*debian.Fetcher, debian.Host, error) {
			host, err := debian.ReadHost("/", a.Getenv)
			return &debian.Fetcher{Cache: d.Packages(), HTTP: host.HTTPClient()}, host, err
		},
	}
	if store.RecordsOwners() {
		setting.Records = layer.OwnersFile(store.GraphRoot())
	}
	room, err = r.Open(ctx, setting)
	return room, choice.Line(r), err
}
