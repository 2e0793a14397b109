// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// VerifyOptions say whether and how a disk is booted after it is written.
type VerifyOptions struct {
	Verify bool
	vm     bootCommand
}

// Add defines the flags of VerifyOptions.
func (o *VerifyOptions) Add(cmd *cobra.Command, a *cli.App) {
	f := cmd.Flags()
	f.BoolVar(&o.Verify, "verify-boot", false, "boot the disk in QEMU and wait for what its <expect> says (--firmware, --memory, --accel, --timeout as for boot)")
	o.vm.App = a
	o.vm.flags(cmd)
	for _, name := range []string{"firmware", "memory", "accel", "timeout"} {
		f.Lookup(name).Hidden = true // they are rarely needed, and would make the help longer
	}
}

// Check reports a disk that expects nothing.
func (o *VerifyOptions) Check(disks []DiskOutputs) error {
	for _, p := range disks {
		if o.Verify && len(p.Disk.Expects) == 0 {
			return cli.Usagef("--verify-boot: disk %s has no <expect>", p.Disk.ID)
		}
	}
	return nil
}

// Boot boots the first output of each disk, if requested: the others have the same
// content.
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
