// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// diskBuilder makes one Disk.
type diskBuilder struct {
	*builder
	n    *node
	disk *Disk
	refs []ref
}

func (b *builder) addDisk(n *node) {
	d := &diskBuilder{builder: b, n: n, disk: &Disk{
		ID: n.value("id"), Stage: n.value("stage"), Table: or(n.value("table"), "gpt"), Size: sizeOf(n, "size"),
		Align: sizeOf(n, "align"), GUID: uuidOf(n, "guid"), Empty: n.value("empty") == "yes", Span: spanOf(n, "id"), Places: placesOf(n),
	}}
	d.stageRef(n)
	var parts []*node
	for _, k := range n.kids {
		d.stageRef(k)
		switch k.name {
		case "bios":
			d.disk.BIOS = &BIOS{Stage: k.value("stage"), Span: k.element()}
		case "generalize":
			d.disk.Generalize = &Generalize{Except: strings.Fields(k.value("except")), Span: k.element()}
		case "deploy":
			d.disk.Deploy = &Deploy{Dir: k.value("dir"), Machine: k.value("machine"), Image: k.value("image"), Span: k.element(), Places: placesOf(k)}
		case "blob":
			d.disk.Blobs = append(d.disk.Blobs, Blob{
				Stage: k.value("stage"), From: k.value("from"), At: sizeOf(k, "at"), Check: k.value("check"), Span: spanOf(k, "from"),
			})
		case "partition":
			parts = append(parts, k)
			d.partition(k)
		case "vm":
			d.disk.VM = newVM(k)
			for _, i := range k.kids {
				d.stageRef(i)
			}
		case "expect":
			d.disk.Expects = append(d.disk.Expects, Expect{Console: k.value("console"), Within: durationOf(k, "within"), Span: spanOf(k, "console")})
		}
	}
	if !n.damaged && !n.open {
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
func (d *diskBuilder) stageRef(k *node) {
	for _, attr := range []string{"stage", "busybox-stage"} {
		v := k.value(attr)
		if v == "" || k == d.n && v == LeafStage { // which is a stage of that name, or the leaf
			continue
		}
		who := "disk " + finding.QuoteValue(d.disk.ID)
		if k != d.n {
			who = "<" + k.name + "> of " + who
		}
		r := ref{toStage, who + " is made from stage", v, k.attr(attr).value.trim().place(0, len(v)), nil}
		if k == d.n {
			r.others = []string{LeafStage}
		}
		d.refs = append(d.refs, r)
	}
}

func (d *diskBuilder) partition(k *node) {
	size, _ := bytesize.ParsePartition(k.value("size")) // what is wrong with it has been said
	p := &Partition{
		Name: k.value("name"), Type: k.value("type"), FS: k.value("fs"), Label: k.value("label"),
		Start: sizeOf(k, "start"), Size: size, Path: k.value("path"), From: k.value("from"), Of: k.value("of"),
		Stage: k.value("stage"), UUID: uuidOf(k, "uuid"), Serial: serialOf(k, "uuid"), Profile: k.value("profile"), Compression: k.value("compression"),
		Attributes: strings.Fields(k.value("attributes")), Hybrid: k.value("hybrid") == "yes",
		Active: k.value("active") == "yes", Grow: k.value("grow") == "yes", Span: spanOf(k, "name"), Places: placesOf(k),
	}
	for _, i := range k.kids {
		d.stageRef(i)
		p.Items = append(p.Items, newItem(i))
	}
	d.disk.Partitions = append(d.disk.Partitions, p)
}

func newItem(k *node) Item {
	at := Element{Span: spanOf(k, "to"), Places: placesOf(k)}
	optional := k.value("optional") == "yes"
	switch ItemKind(k.name) {
	case CopyItemKind:
		at.Span = spanOf(k, "from")
		return &CopyItem{Element: at, Stage: k.value("stage"), From: k.value("from"), To: k.value("to"), Optional: optional}
	case FileItemKind:
		return &FileItem{Element: at, To: k.value("to"), Mode: modeOf(k, "mode"), Text: fileText(k.text().s)}
	case InitrdItemKind:
		return &InitrdItem{
			Element: at, Ramdisk: newRamdisk(k), Stage: k.value("stage"), From: k.value("from"), To: k.value("to"), Kernel: k.value("kernel"),
			Busybox: k.value("busybox"), BusyboxStage: k.value("busybox-stage"), Optional: optional,
		}
	case LoaderItemKind:
		return &LoaderItem{Element: at, Menu: newMenu(k, "/vmlinuz")}
	case ExtlinuxItemKind:
		return &ExtlinuxItem{Element: at, Menu: newMenu(k, "/zImage"), To: or(k.value("to"), "/extlinux/extlinux.conf"), FDT: k.value("fdt")}
	case BootscriptItemKind:
		return &BootscriptItem{Element: at, To: or(k.value("to"), "/boot.scr"), Name: or(k.value("name"), "boot.scr"), Text: fileText(k.text().s)}
	}
	return &UKIItem{
		Element: at, Ramdisk: newRamdisk(k), Stage: k.value("stage"), Stub: k.value("stub"), Kernel: k.value("kernel"),
		To: or(k.value("to"), "/EFI/BOOT/BOOTX64.EFI"), Cmdline: k.value("cmdline"),
	}
}

// newRamdisk is what elements that compose an initrd have in common.
func newRamdisk(k *node) Ramdisk {
	return Ramdisk{Modules: strings.Fields(k.value("modules")), Programs: strings.Fields(k.value("programs")), Compression: k.value("compression")}
}

// newMenu is what boot menus have in common.
func newMenu(k *node, kernel string) Menu {
	m := Menu{
		Kernel: or(k.value("kernel"), kernel), Initrd: "/initrd.img", Cmdline: k.value("cmdline"), Title: k.value("title"),
		Timeout: time.Duration(countOf(k, "timeout")) * time.Second,
	}
	if k.attr("initrd") != nil {
		m.Initrd = k.value("initrd") // empty: boot without one
	}
	return m
}

func newVM(k *node) *VM {
	vm := &VM{
		Name: k.value("name"), Product: k.value("product"), Vendor: k.value("vendor"), Version: k.value("version"),
		ProductURL: k.value("product-url"), VendorURL: k.value("vendor-url"),
		Cores: countOf(k, "cores"), Memory: sizeOf(k, "memory"), NICs: numberOf(k, "nics"), Network: k.value("network"),
		Controller: k.value("controller"), Hardware: hardwareOf(k, "hardware"), Guest: k.value("guest"),
		Firmware: k.value("firmware"), Profile: k.value("profile"), Manifest: k.value("manifest"), Span: k.element(), Places: placesOf(k),
	}
	for _, i := range k.kids {
		switch i.name {
		case "data-disk":
			vm.DataDisks = append(vm.DataDisks, sizeOf(i, "size"))
		case "cdrom":
			vm.CDROM = &CDROM{Stage: i.value("stage"), From: i.value("from"), Span: spanOf(i, "from")}
		case "annotation":
			vm.Annotation = paragraph(i.text().s)
		case "eula":
			vm.EULA = paragraph(i.text().s)
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

// fileText drops what is there only to lay the declaration out: the line
// break behind the start tag, and the blanks before the end tag.
func fileText(s string) string {
	lead := strings.TrimLeft(s, " \t")
	if strings.HasPrefix(lead, "\n") {
		s = lead[1:]
	}
	if i := strings.LastIndexByte(s, '\n'); i >= 0 && strings.Trim(s[i:], blanks) == "" {
		s = s[:i+1]
	}
	return s
}
