// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/grub"
)

// GRUBBoot and GRUBCore are the places of GRUB's files in the stage that DiskStages
// adds.
const (
	GRUBBoot = "/usr/lib/carosbuild/boot.img"
	GRUBCore = "/usr/lib/carosbuild/core.img"
)

// grubStage is the stage that has grub-mkimage: by default the disk's own.
func grubStage(d *decl.Disk) string { return cmp.Or(d.BIOS.Stage, d.Stage) }

// BIOSStageID names the stage that makes the core image of a disk.
func BIOSStageID(d *decl.Disk) string { return d.ID + ".bios" }

// biosStage is a stage based on the one that has grub-mkimage: it makes the core
// image that finds the boot file system by its label. As a stage, it is cached like
// any other.
func biosStage(d *decl.Disk, parent *decl.Stage) (*decl.Stage, error) {
	label := ""
	for _, p := range d.Partitions {
		if slices.ContainsFunc(p.Items, func(i decl.Item) bool { return i.Kind() == decl.LoaderItemKind }) {
			label = p.Label
		}
	}
	early, err := grub.EarlyConfig(label)
	if err != nil {
		return nil, fmt.Errorf("disk %s: the partition with the <loader> is found by its label: %w", d.ID, err)
	}
	script := "set -e\n" + needsGRUB(d) + "mkdir -p /usr/lib/carosbuild\ncat > /usr/lib/carosbuild/early.cfg <<'EOF'\n" + early + "EOF\n" +
		"cp /usr/lib/grub/i386-pc/boot.img " + GRUBBoot + "\n" +
		"grub-mkimage -O i386-pc -d /usr/lib/grub/i386-pc -p /grub -c /usr/lib/carosbuild/early.cfg -o " + GRUBCore + " " + strings.Join(grub.Modules(), " ") + "\n"
	return &decl.Stage{
		ID: BIOSStageID(d), Dirs: parent.Dirs, Prestage: grubStage(d), Span: d.BIOS.Span, PrestageSpan: d.BIOS.Span,
		Actions: []decl.Action{&decl.Run{
			Argument: decl.Argument{Text: "grub-mkimage for disk " + d.ID, Span: d.BIOS.Span}, Argv: []string{"/bin/sh", "-c", script},
		}},
	}, nil
}

// needsGRUB are the lines of a script that say which of GRUB's packages the stage
// lacks.
func needsGRUB(d *decl.Disk) string {
	var b strings.Builder
	for _, need := range []struct{ test, what, name string }{
		{"[ -e /usr/lib/grub/i386-pc/boot.img ]", "/usr/lib/grub/i386-pc", "grub-pc-bin"},
		{"command -v grub-mkimage >/dev/null", "grub-mkimage", "grub-common"},
	} {
		fmt.Fprintf(&b, "%s || { echo 'stage %s has no %s, which <bios> of disk %s needs: install the package %s in it (Debian and Ubuntu)' >&2; exit 1; }\n",
			need.test, grubStage(d), need.what, d.ID, need.name)
	}
	return b.String()
}

// DiskStages are the stages that a disk is made from, and the declaration that has
// them: d, or a copy with an additional stage that makes GRUB's core image.
func DiskStages(d *decl.Declaration, disk *decl.Disk) (ids []string, with *decl.Declaration, err error) {
	ids = slices.DeleteFunc(DiskNeeds(disk), func(id string) bool { return id == "" })
	if disk.BIOS == nil {
		return ids, d, nil
	}
	parent := find(d.Stages, grubStage(disk))
	if parent == nil {
		return nil, nil, fmt.Errorf("disk %s: no stage %q is declared", disk.ID, grubStage(disk))
	}
	s, err := biosStage(disk, parent)
	if err != nil {
		return nil, nil, err
	}
	if find(d.Stages, s.ID) != nil {
		return ids, d, nil
	}
	out := *d
	out.Stages = append(slices.Clone(d.Stages), s)
	return ids, &out, nil
}

// DiskNeeds names the stages that a disk is made from if they are already built:
// the disk's own comes first, and may be "". If the disk needs GRUB's core image,
// the last is the stage that has it, DISKID.bios.
func DiskNeeds(disk *decl.Disk) []string {
	ids := []string{disk.Stage}
	add := func(id string) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, p := range disk.Partitions {
		add(p.Stage)
		for _, i := range p.Items {
			for _, id := range decl.ItemStages(i) {
				add(id)
			}
		}
	}
	for _, b := range disk.Blobs {
		add(b.Stage)
	}
	if disk.VM != nil && disk.VM.CDROM != nil {
		add(disk.VM.CDROM.Stage)
	}
	if disk.BIOS != nil {
		add(BIOSStageID(disk))
	}
	return ids
}

func find(stages []*decl.Stage, id string) *decl.Stage {
	for _, s := range stages {
		if s.ID == id {
			return s
		}
	}
	return nil
}
