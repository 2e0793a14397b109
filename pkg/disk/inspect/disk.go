// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/vmdk"
)

// device is what a disk's bytes come from.
type device interface {
	io.ReaderAt
	Size() int64
}

// Disk is a disk that has been examined.
type Disk struct {
	src     device
	opened  *disk.Opened // nil for a bare device
	table   *partition.Found
	disc    *iso.Found // nil for a disk that is not also a disc
	volumes []*volume
}

// volume is a partition, or the whole disk.
type volume struct {
	partition.Part
	r       *io.SectionReader
	kind    string // of the file system, "" if none is known
	fs      disk.FS
	err     error // why the file system cannot be read, or not completely
	tree    *tree.Tree
	treeErr error
}

// Open examines a disk, which must stay open. A raw file that has nothing of a disk
// gives ErrNoDisk.
func Open(o *disk.Opened) (*Disk, error) {
	d, err := open(o)
	if err != nil {
		return nil, err
	}
	d.opened = o
	if (o.File() != nil || o.Format == disk.Raw) && !d.recognised() {
		return nil, ErrNoDisk
	}
	return d, nil
}

func open(src device) (*Disk, error) {
	t, err := partition.Read(src, src.Size())
	if err != nil {
		return nil, err
	}
	d := &Disk{src: src, table: t, disc: iso.Read(src, src.Size())}
	if len(t.Parts) == 0 {
		v := &volume{r: io.NewSectionReader(src, 0, src.Size())}
		v.detect()
		if v.kind != "" {
			d.volumes = append(d.volumes, v)
		}
		return d, nil
	}
	for _, p := range t.Parts {
		size := max(min(p.Size, src.Size()-p.Start), 0)
		v := &volume{Part: p, r: io.NewSectionReader(src, p.Start, size)}
		if !d.overlaps(v) {
			v.detect()
		}
		d.volumes = append(d.volumes, v)
	}
	return d, nil
}

// overlaps reports whether a volume shares bytes with an earlier one, and must not
// be examined: thousands could be the same file system. A partition that spans a
// whole disc does not count, since it may contain a boot partition.
func (d *Disk) overlaps(v *volume) bool {
	return slices.ContainsFunc(d.volumes, func(w *volume) bool {
		return w.kind != "iso9660" && v.Start < w.Start+w.r.Size() && w.Start < v.Start+v.r.Size()
	})
}

// detect determines the content of a volume.
func (v *volume) detect() {
	if v.udf() {
		v.kind = "udf"
		return
	}
	for _, m := range magics {
		if v.has(m.off, m.magic) {
			v.kind = m.kind
			return
		}
	}
	for _, s := range disk.FileSystems() {
		if s.Sure && s.Claims(v.r) {
			v.kind = s.Name
			v.fs, v.err = s.Open(v.r, v.r.Size())
			return
		}
	}
	v.try()
}

// try finds a file system by opening it. If that fails, the content is named by its
// magic.
func (v *volume) try() {
	claimed, claim := "", error(nil)
	for _, s := range disk.FileSystems() {
		if s.Open == nil || s.Sure {
			continue
		}
		f, err := s.Open(v.r, v.r.Size())
		switch {
		case err == nil:
			v.fs, v.kind = f, f.Kind()
			return
		case claimed == "" && s.Claims(v.r):
			claimed, claim = s.Name, err
			if s.Else != nil {
				claimed = cmp.Or(s.Else(v.r), claimed)
			}
		}
	}
	if v.kind, v.err = claimed, claim; claimed == "" {
		v.kind = v.weak()
	}
}

// is returns the file system of the volume, or one without a name.
func (v *volume) is() disk.FileSystem { return disk.FileSystemOf(v.kind) }

func (v *volume) has(off int64, magic string) bool {
	b := make([]byte, len(magic))
	n, _ := v.r.ReadAt(b, off)
	return n == len(b) && string(b) == magic
}

// String is the volume's name in messages: the partition's name, the file system's
// label, or the number.
func (v *volume) String() string {
	switch {
	case v.Number == 0:
		return "disk"
	case v.Name != "":
		return "partition " + v.Name
	case v.fs != nil && v.fs.Label() != "":
		return "partition " + v.fs.Label()
	}
	return fmt.Sprintf("partition %d", v.Number)
}

// files is the volume's tree, or nil if it has none that can be read.
func (v *volume) files() *tree.Tree {
	if v.fs != nil && v.tree == nil {
		v.tree, v.treeErr = v.fs.Tree()
	}
	return v.tree
}

// Report describes the disk.
func (d *Disk) Report() (*Report, error) {
	r := &Report{Size: d.src.Size(), Partitions: []Partition{}, Boot: []Boot{}}
	if d.opened != nil {
		r.Format = d.opened.Format
		in, size, err := d.opened.Container()
		if err != nil {
			return nil, err
		}
		r.FileSize = size
		r.VM = vm(d.opened.Source())
		if r.Format.Machine() {
			r.VM.appliance(in, size)
		}
	}
	if t := d.table; t.Kind != "" {
		r.Table = &Table{Kind: string(t.Kind), GUID: t.GUID, SectorSize: t.Sector, Hybrid: t.Hybrid}
		if t.Kind == partition.MBR {
			r.Table.Signature = fmt.Sprintf("%08x", t.Signature)
		}
	}
	for _, v := range d.volumes {
		r.Partitions = append(r.Partitions, d.partition(v))
	}
	r.Boot = append(r.Boot, d.boot()...)
	r.OS = d.os()
	return r, nil
}

func (d *Disk) partition(v *volume) Partition {
	p := Partition{
		Number: v.Number, Name: v.Name, Type: partition.TypeName(v.Type), TypeID: v.Type,
		Start: v.Start, Size: v.r.Size(), Active: v.Active, Attributes: v.AttributeNames(), PartUUID: strings.ToLower(v.GUID), FileSystem: v.report(),
	}
	if v.Number > 0 && d.table.Kind == partition.MBR {
		p.PartUUID = fmt.Sprintf("%08x-%02x", d.table.Signature, v.Number)
	}
	return p
}

func (v *volume) report() *FileSystem {
	if v.kind == "" {
		return nil
	}
	f := &FileSystem{Kind: v.kind}
	if is := v.is(); is.Identity != nil {
		f.Label, f.UUID = is.Identity(v.r)
		f.Label = clean(f.Label)
	}
	err := v.err
	if v.fs != nil {
		f.Label, f.UUID = v.fs.Label(), v.fs.ID()
		f.Files = len(v.files().Entries) - 1
		var uerr error
		f.Size, f.Used, uerr = v.fs.Usage()
		err = errors.Join(err, v.treeErr, uerr)
	}
	if err != nil {
		f.Error = err.Error()
	}
	return f
}

// vm returns what a VMDK's descriptor says.
func vm(source any) *VM {
	r, ok := source.(*vmdk.Reader)
	if !ok {
		return nil
	}
	text, err := r.Descriptor()
	if err != nil {
		return nil
	}
	values := assignments(text)
	return &VM{
		CreateType: values["createType"], Adapter: values["ddb.adapterType"],
		HardwareVersion: values["ddb.virtualHWVersion"], UUID: values["ddb.uuid"],
	}
}

// appliance adds what an OVA's descriptor says. A descriptor that cannot be read
// adds nothing: a check reports it.
func (v *VM) appliance(r io.ReaderAt, size int64) {
	f, err := ova.Read(r, size)
	if v == nil || err != nil {
		return
	}
	v.Name, v.Product, v.Vendor, v.Version = f.Name, f.Product, f.Vendor, f.Version
	v.Guest, v.Firmware, v.HardwareVersion = f.Guest, f.Firmware, f.Hardware
	v.Cores, v.Memory, v.NICs, v.Disks = f.Cores, f.Memory, f.NICs, f.Disks
}

// assignments are the lines NAME=VALUE of a text, with values without their quotes.
func assignments(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			out[strings.TrimSpace(name)] = strings.Trim(strings.TrimSpace(value), "\"'")
		}
	}
	return out
}
