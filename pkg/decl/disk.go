// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
)

// diskBuilder makes one Disk.
type diskBuilder struct {
	*builder
	n    *xmltext.Node
	disk *Disk
	refs []ref
}

func (b *builder) addDisk(n *xmltext.Node) {
	d := &diskBuilder{builder: b, n: n, disk: &Disk{
		ID: n.Value("id"), Stage: n.Value("stage"), Table: or(n.Value("table"), "gpt"), Size: sizeOf(n, "size"),
		Align: sizeOf(n, "align"), GUID: uuidOf(n, "guid"), Empty: n.Value("empty") == "yes", Span: spanOf(n, "id"), Places: placesOf(n),
	}}
	d.stageRef(n)
	var parts []*xmltext.Node
	for _, k := range n.Kids {
		d.stageRef(k)
		switch k.Name {
		case "bios":
			d.disk.BIOS = &BIOS{Stage: k.Value("stage"), Span: k.Element()}
		case "generalize":
			d.disk.Generalize = &Generalize{Except: strings.Fields(k.Value("except")), Span: k.Element()}
		case "deploy":
			d.disk.Deploy = &Deploy{Dir: k.Value("dir"), Machine: k.Value("machine"), Image: k.Value("image"), Span: k.Element(), Places: placesOf(k)}
		case "blob":
			d.disk.Blobs = append(d.disk.Blobs, Blob{
				Stage: k.Value("stage"), From: k.Value("from"), At: sizeOf(k, "at"), Check: k.Value("check"), Span: spanOf(k, "from"),
			})
		case "partition":
			parts = append(parts, k)
			d.partition(k)
		case "vm":
			d.disk.VM = newVM(k)
			for _, i := range k.Kids {
				d.stageRef(i)
			}
		case "expect":
			d.disk.Expects = append(d.disk.Expects, Expect{Console: k.Value("console"), Within: durationOf(k, "within"), Span: spanOf(k, "console")})
		}
	}
	if !n.Damaged && !n.Open {
		if d.disk.Empty {
			checkEmpty(b.rep, n)
		} else {
			checkTable(b.rep, n, parts)
		}
	}
	if i, ok := b.declare(b.disks, "disk", n, "id", len(b.decl.Disks), d.refs); ok {
		b.decl.Disks = put(b.decl.Disks, i, d.disk)
	}
}

func or(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// stageRef notes the stage that an element names.
func (d *diskBuilder) stageRef(k *xmltext.Node) {
	for _, attr := range []string{"stage", "busybox-stage"} {
		v := k.Value(attr)
		if v == "" || k == d.n && v == LeafStage { // a stage of that name, or the leaf
			continue
		}
		who := "disk " + finding.QuoteValue(d.disk.ID)
		if k != d.n {
			who = "<" + k.Name + "> of " + who
		}
		r := ref{toStage, who + " is made from stage", v, k.Attr(attr).Value.Trim().Place(0, len(v)), nil}
		if k == d.n {
			r.others = []string{LeafStage}
		}
		d.refs = append(d.refs, r)
	}
}

func (d *diskBuilder) partition(k *xmltext.Node) {
	size, _ := bytesize.ParsePartition(k.Value("size")) // the mistake has been reported
	p := &Partition{
		Name: k.Value("name"), Type: k.Value("type"), FS: k.Value("fs"), Label: k.Value("label"),
		Start: sizeOf(k, "start"), Size: size, Path: k.Value("path"), From: k.Value("from"), Of: k.Value("of"),
		Stage: k.Value("stage"), UUID: uuidOf(k, "uuid"), Serial: serialOf(k, "uuid"), Profile: k.Value("profile"), Compression: k.Value("compression"),
		Attributes: strings.Fields(k.Value("attributes")), Hybrid: k.Value("hybrid") == "yes",
		Active: k.Value("active") == "yes", Grow: k.Value("grow") == "yes", Span: spanOf(k, "name"), Places: placesOf(k),
	}
	for _, i := range k.Kids {
		d.stageRef(i)
		p.Items = append(p.Items, newItem(i))
	}
	d.disk.Partitions = append(d.disk.Partitions, p)
}

func newItem(k *xmltext.Node) Item {
	at := Element{Span: spanOf(k, "to"), Places: placesOf(k)}
	optional := k.Value("optional") == "yes"
	switch ItemKind(k.Name) {
	case CopyItemKind:
		at.Span = spanOf(k, "from")
		return &CopyItem{Element: at, Stage: k.Value("stage"), From: k.Value("from"), To: k.Value("to"), Optional: optional}
	case FileItemKind:
		return &FileItem{Element: at, To: k.Value("to"), Mode: modeOf(k, "mode"), Text: fileText(k.Text().S)}
	case InitrdItemKind:
		return &InitrdItem{
			Element: at, Ramdisk: newRamdisk(k), Stage: k.Value("stage"), From: k.Value("from"), To: k.Value("to"), Kernel: k.Value("kernel"),
			Busybox: k.Value("busybox"), BusyboxStage: k.Value("busybox-stage"), Optional: optional,
		}
	case LoaderItemKind:
		return &LoaderItem{Element: at, Menu: newMenu(k, "/vmlinuz")}
	case ExtlinuxItemKind:
		return &ExtlinuxItem{Element: at, Menu: newMenu(k, "/zImage"), To: or(k.Value("to"), "/extlinux/extlinux.conf"), FDT: k.Value("fdt")}
	case BootscriptItemKind:
		return &BootscriptItem{Element: at, To: or(k.Value("to"), "/boot.scr"), Name: or(k.Value("name"), "boot.scr"), Text: fileText(k.Text().S)}
	}
	return &UKIItem{
		Element: at, Ramdisk: newRamdisk(k), Stage: k.Value("stage"), Stub: k.Value("stub"), Kernel: k.Value("kernel"),
		To: or(k.Value("to"), "/EFI/BOOT/BOOTX64.EFI"), Cmdline: k.Value("cmdline"),
	}
}

// newRamdisk reads the attributes that all elements for an initrd have in common.
func newRamdisk(k *xmltext.Node) Ramdisk {
	return Ramdisk{Modules: strings.Fields(k.Value("modules")), Programs: strings.Fields(k.Value("programs")), Compression: k.Value("compression")}
}

// newMenu reads the attributes that boot menus have in common.
func newMenu(k *xmltext.Node, kernel string) Menu {
	m := Menu{
		Kernel: or(k.Value("kernel"), kernel), Initrd: "/initrd.img", Cmdline: k.Value("cmdline"), Title: k.Value("title"),
		Timeout: time.Duration(countOf(k, "timeout")) * time.Second,
	}
	if k.Attr("initrd") != nil {
		m.Initrd = k.Value("initrd") // empty: boot without an initrd
	}
	return m
}

func newVM(k *xmltext.Node) *VM {
	vm := &VM{
		Name: k.Value("name"), Product: k.Value("product"), Vendor: k.Value("vendor"), Version: k.Value("version"),
		ProductURL: k.Value("product-url"), VendorURL: k.Value("vendor-url"),
		Cores: countOf(k, "cores"), Memory: sizeOf(k, "memory"), NICs: numberOf(k, "nics"), Network: k.Value("network"),
		Controller: k.Value("controller"), Hardware: hardwareOf(k, "hardware"), Guest: k.Value("guest"),
		Firmware: k.Value("firmware"), Profile: k.Value("profile"), Manifest: k.Value("manifest"), Span: k.Element(), Places: placesOf(k),
	}
	for _, i := range k.Kids {
		switch i.Name {
		case "data-disk":
			vm.DataDisks = append(vm.DataDisks, sizeOf(i, "size"))
		case "cdrom":
			vm.CDROM = &CDROM{Stage: i.Value("stage"), From: i.Value("from"), Span: spanOf(i, "from")}
		case "annotation":
			vm.Annotation = paragraph(i.Text().S)
		case "eula":
			vm.EULA = paragraph(i.Text().S)
		}
	}
	return vm
}

// paragraph is text for people: without white space around it, and without
// the indentation of the declaration.
func paragraph(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// fileText drops what only lays the declaration out: the line break after the start
// tag, and the blanks before the end tag.
func fileText(s string) string {
	lead := strings.TrimLeft(s, " \t")
	if strings.HasPrefix(lead, "\n") {
		s = lead[1:]
	}
	if i := strings.LastIndexByte(s, '\n'); i >= 0 && strings.Trim(s[i:], xmltext.Blanks) == "" {
		s = s[:i+1]
	}
	return s
}
