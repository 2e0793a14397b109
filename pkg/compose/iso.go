// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/plan"
)

// grubDisc is GRUB's boot program for discs, in the stage of <bios>.
const grubDisc = "/usr/lib/grub/i386-pc/cdboot.img"

// CheckOutputs reports, before anything is built, why a disk cannot have the
// formats of its outputs: only format iso requires more than other formats. Its
// errors are a finding.ListError.
func CheckOutputs(d *decl.Disk, outs []disk.Output) error {
	if !wantsISO(outs) {
		return nil
	}
	var all finding.Findings
	add := func(at finding.Span, summary, hint string) {
		all = append(all, finding.Finding{Span: at, Summary: "format iso: " + summary, Hint: hint})
	}
	if d.Empty {
		add(d.Span, fmt.Sprintf("disk %s is empty", d.ID), "a disc has to have something to start")
		return &finding.ListError{Findings: all}
	}
	if d.Table != "gpt" {
		add(d.Span, fmt.Sprintf("disk %s has a table of kind %s", d.ID, d.Table), `write table="gpt"`)
	}
	esp := slices.ContainsFunc(d.Partitions, func(p *decl.Partition) bool { return disk.IsESP(p.Type) })
	if d.BIOS == nil && !esp {
		add(d.Span, fmt.Sprintf("disk %s has nothing that a disc could boot", d.ID), `add <bios>, or a partition of type="esp" with a loader`)
	}
	for _, p := range d.Partitions {
		if p.Path == "/" && !disk.FileSystemOf(p.FS).ReadOnly {
			add(p.Span, "a disc is read-only, and the root file system is not",
				`write fs=`+readOnly()+` and, for a root that can be changed in memory, systemd.volatile=overlay in the cmdline`)
		}
	}
	if len(all) > 0 {
		return &finding.ListError{Findings: all}
	}
	return nil
}

// readOnly are the root file systems that a disc can have.
func readOnly() string {
	return `"` + strings.Join(kind.Names(func(k kind.FileSystem) bool { return k.ReadOnly && k.Tree }), `" or fs="`) + `"`
}

func wantsISO(outs []disk.Output) bool {
	return slices.ContainsFunc(outs, func(o disk.Output) bool {
		f, err := disk.FormatFor(string(o.Format), o.Path)
		return err == nil && f.Disc()
	})
}

// discImage is the program that a BIOS starts from a disc: cdboot.img, which loads
// the core image that follows it. Nil without <bios>.
func (c *composer) discImage(ctx context.Context, bios *disk.BIOS) ([]byte, error) {
	if bios == nil {
		return nil, nil
	}
	b, err := c.file(ctx, plan.BIOSStageID(c.disk), grubDisc)
	if err != nil {
		return nil, mistake(c.disk.BIOS.Span, fmt.Errorf("format iso: %w", err))
	}
	return append(b, bios.Core...), nil
}
