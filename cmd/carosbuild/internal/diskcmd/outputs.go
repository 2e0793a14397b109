// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
)

// diskPattern is replaced by a disk's id in --out.
const diskPattern = "{disk}"

// DiskFlags are --disk and --out, which depend on each other, and the options for
// outputs.
type DiskFlags struct {
	Out    []string
	Disks  []string // ids of the requested disks
	behind []int    // how many of out come before each of disks
	Format string
	Level  int // compression level
}

// diskValue is the value of --disk. It notes the position of each among the --out
// options.
type diskValue struct{ *DiskFlags }

func (v diskValue) String() string {
	if v.DiskFlags == nil { // pflag may make a zero value
		return ""
	}
	return strings.Join(v.Disks, ",")
}

func (v diskValue) Type() string { return "string" }

func (v diskValue) Set(id string) error {
	if id == "" {
		return cli.Usagef("it names no disk")
	}
	if !slices.Contains(v.Disks, id) {
		v.Disks, v.behind = append(v.Disks, id), append(v.behind, len(v.Out))
	}
	return nil
}

// Add defines --disk.
func (o *DiskFlags) Add(f *pflag.FlagSet) {
	f.Var(diskValue{o}, "disk", "which disk, if more than one is declared; may be repeated")
}

// LevelFlag defines --compression-level.
func (o *DiskFlags) LevelFlag(f *pflag.FlagSet) {
	f.IntVar(&o.Level, "compression-level", 0, "how hard to compress the disk, 1 (fast) to 9 (small), in formats that are compressed: vmdk, ova, qcow2-compressed, qcow2-zstd, raw.gz, raw.zst; 0 is the format's own choice")
}

// output is a path in the form of --format.
func (o *DiskFlags) output(path string) disk.Output {
	return disk.Output{Path: path, Format: disk.Format(o.Format)}
}

// outputs are the values of --out as given.
func (o *DiskFlags) outputs() []disk.Output {
	var outs []disk.Output
	for _, path := range o.Out {
		outs = append(outs, o.output(path))
	}
	return outs
}

// patterns is the number of --out values that contain the pattern for the disk's
// id.
func (o *DiskFlags) patterns() int {
	n := 0
	for _, out := range o.Out {
		if strings.Contains(out, diskPattern) {
			n++
		}
	}
	return n
}

// DiskOutputs is a disk and its outputs.
type DiskOutputs struct {
	Disk *decl.Disk
	Outs []disk.Output
	Why  string // why it is made from that stage, "" if the declaration says so
}

// choose returns the requested disks in their order, or the only one that is
// declared. An --out with {disk} requests all.
func (o *DiskFlags) choose(d *decl.Declaration) ([]*decl.Disk, error) {
	ids := make([]string, len(d.Disks))
	for i, k := range d.Disks {
		ids[i] = k.ID
	}
	if len(o.Disks) == 0 {
		if len(ids) > 1 && o.patterns() < max(len(o.Out), 1) {
			return nil, cli.Usagef("which disk? choose with --disk: %s; or write all of them, with %s in --out", strings.Join(ids, ", "), diskPattern)
		}
		return d.Disks, nil
	}
	var chosen []*decl.Disk
	for _, id := range o.Disks {
		i := slices.Index(ids, id)
		if i < 0 {
			return nil, cli.Usagef("no disk %q is declared (declared: %s)", id, strings.Join(ids, ", "))
		}
		chosen = append(chosen, d.Disks[i])
	}
	return chosen, nil
}

// pair assigns the outputs to the disks.
func (o *DiskFlags) pair(disks []*decl.Disk) ([]DiskOutputs, error) {
	n := o.patterns()
	if n > 0 && n < len(o.Out) && len(disks) > 1 {
		return nil, cli.Usagef("several disks are written: either every --out has %s, or none", diskPattern)
	}
	grouped := o.grouped(len(disks))
	if n == 0 && len(disks) > 1 && len(o.Out) > 0 && !grouped && len(o.Out) != len(disks) {
		return nil, cli.Usagef("%d disks and %d --out options: give each disk its own, as in --disk %s --out FILE --disk %s --out FILE, or one with %s for all",
			len(disks), len(o.Out), disks[0].ID, disks[1].ID, diskPattern)
	}
	var pairs []DiskOutputs
	for i, k := range disks {
		p := DiskOutputs{Disk: k}
		for j, path := range o.Out {
			if n > 0 || len(disks) == 1 || grouped && o.diskBefore(j) == i || !grouped && j == i {
				p.Outs = append(p.Outs, o.output(strings.ReplaceAll(path, diskPattern, k.ID)))
			}
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// Of returns the requested disks of a declaration and their outputs, as far as
// these can be written.
func (o *DiskFlags) Of(d *decl.Declaration) ([]DiskOutputs, error) {
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
func (o *DiskFlags) grouped(disks int) bool {
	if disks != len(o.Disks) || len(o.behind) == 0 || o.behind[0] != 0 {
		return false
	}
	for i, n := range o.behind {
		end := len(o.Out)
		if i+1 < len(o.behind) {
			end = o.behind[i+1]
		}
		if n == end {
			return false
		}
	}
	return true
}

// diskBefore is the disk that an output follows.
func (o *DiskFlags) diskBefore(output int) int {
	i := 0
	for i+1 < len(o.behind) && o.behind[i+1] <= output {
		i++
	}
	return i
}

// checkPairs reports, before anything is built, which outputs could not be written.
func checkPairs(pairs []DiskOutputs) error {
	var all []disk.Output
	for _, p := range pairs {
		if err := compose.CheckOutputs(p.Disk, p.Outs); err != nil {
			return err
		}
		all = append(all, p.Outs...)
	}
	return disk.CheckOutputs(all, disk.WriteOptions{})
}

// DisksOf are the disks alone.
func DisksOf(pairs []DiskOutputs) []*decl.Disk {
	var out []*decl.Disk
	for _, p := range pairs {
		out = append(out, p.Disk)
	}
	return out
}

// outputsOf are the outputs of each disk.
func outputsOf(pairs []DiskOutputs) [][]disk.Output {
	var out [][]disk.Output
	for _, p := range pairs {
		out = append(out, p.Outs)
	}
	return out
}

// Streams reports whether an output is read by another program while it is written.
func (o *DiskFlags) Streams() bool {
	return slices.ContainsFunc(o.Out, func(path string) bool {
		st, err := os.Stat(path)
		return path == disk.StandardOutput || err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0
	})
}
