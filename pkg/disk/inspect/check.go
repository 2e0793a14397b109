// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/verity"
)

// Check checks all parts of the disk, from the file's format to the files, and
// reports which of them are not read. The error is that of ctx; damage is not an
// error.
func (d *Disk) Check(ctx context.Context) ([]damage.Problem, error) {
	var out []damage.Problem
	checks := []func(context.Context) []damage.Problem{
		d.checkFormat, d.checkTable, d.checkBoot, d.checkSPL, d.checkDisc, d.checkVolumes, d.checkUKIs,
	}
	for _, check := range checks {
		out = append(out, check(ctx)...)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// checkFormat checks the file that the disk is in.
func (d *Disk) checkFormat(ctx context.Context) []damage.Problem {
	if d.opened == nil {
		return nil
	}
	if d.opened.Format.Machine() {
		return d.checkOVA(ctx)
	}
	return d.opened.Check(ctx)
}

// checkOVA checks an appliance: manifest, descriptor, and all of its disks.
func (d *Disk) checkOVA(ctx context.Context) []damage.Problem {
	var l damage.List
	f, size, err := d.opened.Container()
	if err != nil {
		l.Add("OVA", "%v", err)
		return l.Problems()
	}
	problems, err := ova.Check(ctx, f, size)
	if err != nil {
		l.Add("OVA", "%v", err)
	}
	for _, p := range problems {
		l.Add("OVA", "%s", p)
	}
	return l.Problems()
}

// checkSPL checks U-Boot outside file systems.
func (d *Disk) checkSPL(context.Context) []damage.Problem {
	_, err := d.spl()
	if err == nil {
		return nil
	}
	return []damage.Problem{{Where: "U-Boot", Text: err.Error()}}
}

func (d *Disk) checkTable(context.Context) []damage.Problem { return d.table.Problems }

// checkBoot checks boot code outside file systems.
func (d *Disk) checkBoot(context.Context) []damage.Problem {
	g, problems := grub.Find(d.table.Boot, d.src, d.src.Size())
	if d.table.Kind == "" && len(d.volumes) > 0 {
		return nil // code of a partition, whose numbers are those of the disk that it was on
	}
	if g == nil || len(problems) > 0 {
		return problems
	}
	var l damage.List
	for _, p := range d.table.Parts {
		inside := p.Start <= g.Start && g.Start+g.Size <= p.End()
		switch meets := p.Start < g.Start+g.Size && g.Start < p.End(); {
		case meets && !inside:
			l.Add("GRUB", "its core image, bytes %d to %d, is partly in partition %d", g.Start, g.Start+g.Size-1, p.Number)
		case inside && partition.TypeName(p.Type) != "bios" && d.disc == nil: // a disc keeps it in a file
			l.Add("GRUB", "its core image is in partition %d, which is not a BIOS boot partition", p.Number)
		}
	}
	return l.Problems()
}

func (d *Disk) checkVolumes(ctx context.Context) []damage.Problem {
	var out []damage.Problem
	for _, v := range d.volumes {
		if v.err != nil {
			out = append(out, damage.Of(v.String(), v.err))
		}
		if v.fs == nil && v.err == nil && !checkable(v.kind) {
			out = append(out, damage.Problem{Where: v.String(), Text: v.kind, Unread: true})
		}
		switch {
		case ctx.Err() != nil:
		case v.fs != nil:
			out = append(out, damage.In(v.String(), v.fs.Check(ctx))...)
		case v.is().Of:
			out = append(out, d.checkVerity(ctx, v)...)
		case v.kind == "iso9660" && (v.Start > 0 || d.disc == nil): // the disk's own volume is checked as a disc
			out = append(out, damage.In(v.String(), v.checkISO())...)
		}
		if v.kind == "" && v.Number > 0 && d.disc == nil && v.expected() { // on discs, gaps between partitions are partitions, too
			out = append(out, damage.Problem{Where: v.String(), Text: fmt.Sprintf("its type is %s, but its content is not a known file system", partition.TypeName(v.Type))})
		}
	}
	return out
}

// checkISO checks a volume that is in a partition.
func (v *volume) checkISO() []damage.Problem {
	f := iso.Read(v.r, v.r.Size())
	if f == nil {
		return []damage.Problem{{Where: "ISO 9660", Text: "it does not begin with a primary volume descriptor", Unread: true}}
	}
	return f.Problems
}

// checkVerity checks a hash tree and its data: the partition with the same type
// without -verity, else the one before it.
func (d *Disk) checkVerity(ctx context.Context, v *volume) []damage.Problem {
	name, typed := strings.CutSuffix(partition.TypeName(v.Type), "-verity")
	i := slices.IndexFunc(d.volumes, func(w *volume) bool {
		return typed && partition.TypeName(w.Type) == name || !typed && w.Number == v.Number-1
	})
	if i < 0 {
		return []damage.Problem{{Where: v.String(), Text: "no partition has the data that its hash tree is for"}}
	}
	problems, err := verity.Check(ctx, d.volumes[i].r, v.r)
	if err != nil {
		return nil // Check gives ctx's error
	}
	return damage.In(v.String(), problems)
}

// expected reports whether a partition is not empty and has a type that should
// contain a file system. An empty one may be intended, and general types may
// contain anything.
func (v *volume) expected() bool {
	switch name := partition.TypeName(v.Type); {
	case strings.HasPrefix(name, "root-"), strings.HasPrefix(name, "fat"), slices.Contains([]string{"esp", "boot", "home", "srv", "var"}, name):
	default:
		return false
	}
	b := make([]byte, 64<<10)
	n, _ := v.r.ReadAt(b, 0)
	return len(bytes.TrimLeft(b[:n], "\x00")) > 0
}
