// SPDX-License-Identifier: MPL-2.0

package render

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/inspect"
	"github.com/carosio/carosbuild/pkg/words"
)

// Grid is lines of columns, as wide as their widest cell. Names on a disk are
// not trusted: what could act on a terminal is taken out of each cell.
type Grid struct {
	rows  [][]string
	Right []int // columns that are aligned to the right
}

// Add adds a line.
func (g *Grid) Add(cells ...string) {
	for i, c := range cells {
		cells[i] = Printable(c)
	}
	g.rows = append(g.rows, cells)
}

// Print writes the lines, each behind an indentation.
func (g *Grid) Print(w io.Writer, indent string) error {
	var widths []int
	for _, row := range g.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, row := range g.rows {
		line := indent
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(c)))
			switch {
			case widths[i] == 0:
				continue
			case slices.Contains(g.Right, i):
				c = pad + c
			default:
				c += pad
			}
			line += c + "  "
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// Report prints a report for people.
func Report(w io.Writer, path string, r *inspect.Report) error {
	head := fmt.Sprintf("%s: %s, a disk of %s", path, r.Format, bytesize.Format(r.Size))
	if r.FileSize != r.Size {
		head += " in a file of " + bytesize.Format(r.FileSize)
	}
	if r.VM != nil {
		head += "\n" + machine(r.VM)
	}
	switch t := r.Table; {
	case t == nil:
		head += "\nno partition table"
	case t.GUID != "":
		head += "\nGPT " + strings.ToLower(t.GUID)
	default:
		head += "\nMBR, signature " + t.Signature
	}
	if r.Table != nil && r.Table.Hybrid {
		head += ", with an MBR that has partitions of its own"
	}
	if o := r.OS; o != nil {
		head += "\n" + strings.TrimSuffix(o.Name+", "+o.Arch, ", ")
	}
	for line := range strings.Lines(head + "\n") {
		if _, err := fmt.Fprintln(w, Printable(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	for _, part := range []func(io.Writer, *inspect.Report) error{printPartitions, printIDs, printBoot} {
		if err := part(w, r); err != nil {
			return err
		}
	}
	return nil
}

// machine is a line about the virtual machine.
func machine(v *inspect.VM) string {
	parts := []string{"VMDK " + v.CreateType, "adapter " + v.Adapter, "hardware " + v.HardwareVersion}
	if v.Cores > 0 {
		parts = []string{
			"machine " + v.Name, words.Count(v.Cores, "core"), bytesize.Format(v.Memory), words.Count(v.NICs, "NIC"), words.Count(v.Disks, "disk"),
			v.HardwareVersion, v.Firmware, v.Guest,
		}
	}
	parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" || strings.HasSuffix(s, " ") })
	return strings.Join(parts, ", ")
}

func printPartitions(w io.Writer, r *inspect.Report) error {
	if len(r.Partitions) == 0 {
		return nil
	}
	g := Grid{Right: []int{0, 3, 4, 7, 8}}
	g.Add("#", "name", "type", "start", "size", "fs", "label", "used", "files")
	var faults []string
	for _, p := range r.Partitions {
		row := []string{fmt.Sprint(p.Number), p.Name, p.Type, bytesize.Format(p.Start), bytesize.Format(p.Size), "", "", "", ""}
		if p.Type == "" {
			row[2], _, _ = strings.Cut(p.TypeID, "-")
		}
		if p.Active {
			row[0] = "*" + row[0]
		}
		if f := p.FileSystem; f != nil {
			row[5], row[6] = f.Kind, f.Label
			if f.Size > 0 {
				row[7], row[8] = bytesize.Format(f.Used), fmt.Sprint(f.Files)
			}
			if f.Error != "" {
				faults = append(faults, fmt.Sprintf("partition %d: %s", p.Number, f.Error))
			}
		}
		g.Add(row...)
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := g.Print(w, " "); err != nil {
		return err
	}
	for _, f := range faults {
		if _, err := fmt.Fprintln(w, " "+Printable(f)); err != nil {
			return err
		}
	}
	return nil
}

// printIDs prints what a boot loader or fstab calls the partitions.
func printIDs(w io.Writer, r *inspect.Report) error {
	g := Grid{Right: []int{0}}
	g.Add("#", "UUID", "PARTUUID")
	for _, p := range r.Partitions {
		uuid := ""
		if p.FileSystem != nil {
			uuid = p.FileSystem.UUID
		}
		if uuid+p.PartUUID != "" {
			g.Add(fmt.Sprint(p.Number), uuid, p.PartUUID)
		}
	}
	if len(g.rows) == 1 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return g.Print(w, " ")
}

func printBoot(w io.Writer, r *inspect.Report) error {
	if len(r.Boot) == 0 {
		return nil
	}
	g := Grid{}
	for _, b := range r.Boot {
		where := fmt.Sprintf("%d:%s", b.Partition, b.Path)
		switch {
		case b.Path == "" && b.Offset == 0:
			where = "first sector"
		case b.Path == "":
			where = "at " + bytesize.Format(b.Offset)
		}
		what := strings.TrimSpace(b.Name + " " + b.Version)
		if b.Arch != "" {
			what += " (" + b.Arch + ")"
		}
		if b.Detail != "" && b.Kind != "entry" && b.Kind != "config" {
			what += ", " + b.Detail
		}
		g.Add(b.Kind, where, what)
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := g.Print(w, " "); err != nil {
		return err
	}
	return printEntries(w, r)
}

// printEntries prints what is started: long lines of their own.
func printEntries(w io.Writer, r *inspect.Report) error {
	for _, b := range r.Boot {
		if b.UKI != nil {
			if err := printUKI(w, &b); err != nil {
				return err
			}
			continue
		}
		if b.Detail == "" || b.Kind != "entry" && b.Kind != "config" {
			continue
		}
		if _, err := fmt.Fprintf(w, "\n %d:%s\n", b.Partition, Printable(b.Path)); err != nil {
			return err
		}
		for d := range strings.SplitSeq(b.Detail, "\n") {
			if _, err := fmt.Fprintln(w, "   "+Printable(d)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ownSections are sections of the stub itself that say nothing about what is in
// a unified kernel image.
var ownSections = []string{".text", ".rdata", ".rodata", ".data", ".bss", ".reloc", ".dynamic", ".dynsym", ".rela", ".sdmagic", ".sbat"}

// printUKI prints what is in a unified kernel image.
func printUKI(w io.Writer, b *inspect.Boot) error {
	if _, err := fmt.Fprintf(w, "\n %d:%s\n", b.Partition, Printable(b.Path)); err != nil {
		return err
	}
	system := b.UKI.OSName
	if system == "" {
		system = strings.TrimSpace(b.UKI.OSID + " " + b.UKI.OSVersion)
	}
	g := Grid{}
	for _, row := range [][2]string{{"system", system}, {"kernel", b.UKI.Release}, {"cmdline", b.UKI.Cmdline}} {
		if row[1] != "" {
			g.Add(row[0], row[1])
		}
	}
	for _, s := range b.UKI.Sections {
		if !slices.Contains(ownSections, s.Name) {
			g.Add(s.Name, bytesize.Format(s.Size))
		}
	}
	return g.Print(w, "   ")
}
