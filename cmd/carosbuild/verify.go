// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

// verifyOptions say whether a disk is booted when it is written, and how.
type verifyOptions struct {
	verify bool
	vm     bootCommand
}

// add defines the flags of verifyOptions.
func (o *verifyOptions) add(cmd *cobra.Command, a *app) {
	f := cmd.Flags()
	f.BoolVar(&o.verify, "verify-boot", false, "boot the disk in QEMU and wait for what its <expect> says (--firmware, --memory, --accel, --timeout as for boot)")
	o.vm.app = a
	o.vm.flags(cmd)
	for _, name := range []string{"firmware", "memory", "accel", "timeout"} {
		f.Lookup(name).Hidden = true // they would take more room than they are worth
	}
}

// check finds out whether there is something to wait for.
func (o *verifyOptions) check(disks []diskOutputs) error {
	for _, p := range disks {
		if o.verify && len(p.disk.Expects) == 0 {
			return usagef("--verify-boot: disk %s has no <expect>", p.disk.ID)
		}
	}
	return nil
}

// boot boots the first output of each disk, if that is asked for: the others have
// the same content.
func (o *verifyOptions) boot(ctx context.Context, disks []diskOutputs) error {
	for _, p := range disks {
		if !o.verify {
			break
		}
		if err := o.vm.boot(ctx, p.outs[0].Path, expectations(p.disk)); err != nil {
			return fmt.Errorf("%s is written, but: %w", p.outs[0].Path, err)
		}
	}
	return nil
}
