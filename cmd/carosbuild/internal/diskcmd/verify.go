// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// VerifyOptions say whether a disk is booted when it is written, and how.
type VerifyOptions struct {
	Verify bool
	vm     bootCommand
}

// Add defines the flags of verifyOptions.
func (o *VerifyOptions) Add(cmd *cobra.Command, a *cli.App) {
	f := cmd.Flags()
	f.BoolVar(&o.Verify, "verify-boot", false, "boot the disk in QEMU and wait for what its <expect> says (--firmware, --memory, --accel, --timeout as for boot)")
	o.vm.App = a
	o.vm.flags(cmd)
	for _, name := range []string{"firmware", "memory", "accel", "timeout"} {
		f.Lookup(name).Hidden = true // they would take more room than they are worth
	}
}

// Check finds out whether there is something to wait for.
func (o *VerifyOptions) Check(disks []DiskOutputs) error {
	for _, p := range disks {
		if o.Verify && len(p.Disk.Expects) == 0 {
			return cli.Usagef("--verify-boot: disk %s has no <expect>", p.Disk.ID)
		}
	}
	return nil
}

// Boot boots the first output of each disk, if that is asked for: the others have
// the same content.
func (o *VerifyOptions) Boot(ctx context.Context, disks []DiskOutputs) error {
	for _, p := range disks {
		if !o.Verify {
			break
		}
		if err := o.vm.boot(ctx, p.Outs[0].Path, expectations(p.Disk)); err != nil {
			return fmt.Errorf("%s is written, but: %w", p.Outs[0].Path, err)
		}
	}
	return nil
}
