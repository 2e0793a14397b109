// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
)

// diskPattern stands for a disk's id in --out.
const diskPattern = "{disk}"

// diskFlags are --disk and --out, which belong together, and how outputs are written.
type diskFlags struct {
	out    []string
	disks  []string // ids of those that are asked for
	behind []int    // how many of out stand before each of disks
	format string
	level  int // of compression
}

// diskValue is the value of --disk. It notes where among --out each stands.
type diskValue struct{ *diskFlags }

func (v diskValue) String() string {
	if v.diskFlags == nil { // a zero value that pflag makes
		return ""
	}
	return strings.Join(v.disks, ",")
}

func (v diskValue) Type() string { return "string" }

func (v diskValue) Set(id string) error {
	if id == "" {
		return usagef("it names no disk")
	}
	if !slices.Contains(v.disks, id) {
		v.disks, v.behind = append(v.disks, id), append(v.behind, len(v.out))
	}
	return nil
}

// add defines --disk.
func (o *diskFlags) add(f *pflag.FlagSet) {
	f.Var(diskValue{o}, "disk", "which disk, if more than one is declared; may be repeated")
}

// levelFlag defines --compression-level.
func (o *diskFlags) levelFlag(f *pflag.FlagSet) {
	f.IntVar(&o.level, "compression-level", 0, "how hard to compress the disk, 1 (fast) to 9 (small), in formats that are compressed: vmdk, ova, qcow2-compressed, qcow2-zstd, raw.gz, raw.zst; 0 is the format's own choice")
}

// output is a path in the form of --format.
func (o *diskFlags) output(path string) disk.Output {
	return disk.Output{Path: path, Format: disk.Format(o.format)}
}

// outputs are those of --out as they were given.
func (o *diskFlags) outputs() []disk.Output {
	var outs []disk.Output
	for _, path := range o.out {
		outs = append(outs, o.output(path))
	}
	return outs
}

// patterns are how many of --out have a place for the disk's id.
func (o *diskFlags) patterns() int {
	n := 0
	for _, out := range o.out {
		if strings.Contains(out, diskPattern) {
			n++
		}
	}
	return n
}

// diskOutputs is a disk and where it goes.
type diskOutputs struct {
	disk *decl.Disk
	outs []disk.Output
	why  string // it is made from that stage, "" if the declaration says so
}

// choose are the disks that are asked for, in that order, or the only one that is
// declared. An --out with {disk} asks for all.
func (o *diskFlags) choose(d *decl.Declaration) ([]*decl.Disk, error) {
	ids := make([]string, len(d.Disks))
	for i, k := range d.Disks {
		ids[i] = k.ID
	}
	if len(o.disks) == 0 {
		if len(ids) > 1 && o.patterns() < max(len(o.out), 1) {
			return nil, usagef("which disk? choose with --disk: %s; or write all of them, with %s in --out", strings.Join(ids, ", "), diskPattern)
		}
		return d.Disks, nil
	}
	var chosen []*decl.Disk
	for _, id := range o.disks {
		i := slices.Index(ids, id)
		if i < 0 {
			return nil, usagef("no disk %q is declared (declared: %s)", id, strings.Join(ids, ", "))
		}
		chosen = append(chosen, d.Disks[i])
	}
	return chosen, nil
}

// pair says where each of the disks goes.
func (o *diskFlags) pair(disks []*decl.Disk) ([]diskOutputs, error) {
	n := o.patterns()
	if n > 0 && n < len(o.out) && len(disks) > 1 {
		return nil, usagef("several disks are written: either every --out has %s, or none", diskPattern)
	}
	grouped := o.grouped(len(disks))
	if n == 0 && len(disks) > 1 && len(o.out) > 0 && !grouped && len(o.out) != len(disks) {
		return nil, usagef("%d disks and %d times --out: give each disk its own, as in --disk %s --out FILE --disk %s --out FILE, or one with %s for all",
			len(disks), len(o.out), disks[0].ID, disks[1].ID, diskPattern)
	}
	var pairs []diskOutputs
	for i, k := range disks {
		p := diskOutputs{disk: k}
		for j, path := range o.out {
			if n > 0 || len(disks) == 1 || grouped && o.diskBefore(j) == i || !grouped && j == i {
				p.outs = append(p.outs, o.output(strings.ReplaceAll(path, diskPattern, k.ID)))
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// of are the disks of a declaration that are asked for, and where each goes, as far
// as that can be written.
func (o *diskFlags) of(d *decl.Declaration) ([]diskOutputs, error) {
	chosen, err := o.choose(d)
	if err != nil {
		return nil, err
	}
	pairs, err := o.pair(chosen)
	if err != nil {
		return nil, err
	}
	return pairs, checkPairs(pairs)
}

// grouped reports whether each --disk is followed by its own --out.
func (o *diskFlags) grouped(disks int) bool {
	if disks != len(o.disks) || len(o.behind) == 0 || o.behind[0] != 0 {
		return false
	}
	for i, n := range o.behind {
		end := len(o.out)
		if i+1 < len(o.behind) {
			end = o.behind[i+1]
		}
		if n == end {
			return false
		}
	}
	return true
}

// diskBefore is the disk behind which the output stands.
func (o *diskFlags) diskBefore(output int) int {
	i := 0
	for i+1 < len(o.behind) && o.behind[i+1] <= output {
		i++
	}
	return i
}

// checkPairs finds out before anything is built what could not be written.
func checkPairs(pairs []diskOutputs) error {
	var all []disk.Output
	for _, p := range pairs {
		if err := compose.CheckOutputs(p.disk, p.outs); err != nil {
			return err
		}
		all = append(all, p.outs...)
	}
	return disk.CheckOutputs(all, disk.WriteOptions{})
}

func disksOf(pairs []diskOutputs) []*decl.Disk {
	var out []*decl.Disk
	for _, p := range pairs {
		out = append(out, p.disk)
	}
	return out
}

// outputsOf are the outputs of each disk.
func outputsOf(pairs []diskOutputs) [][]disk.Output {
	var out [][]disk.Output
	for _, p := range pairs {
		out = append(out, p.outs)
	}
	return out
}

// streams reports whether an output is read by somebody while it is written.
func (o *diskFlags) streams() bool {
	return slices.ContainsFunc(o.out, func(path string) bool {
		st, err := os.Stat(path)
		return path == disk.StandardOutput || err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0
	})
}
