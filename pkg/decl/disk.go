// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package decl

import (
	"strings"
	"time"
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
		ID: n.value("id"), Stage: n.value("stage"), Table: or(n.value("table"), "gpt"), Size: n.value("size"), Span: spanOf(n, "id"),
	}}
	d.stageRef(n)
	var parts []*node
	for _, k := range n.kids {
		d.stageRef(k)
		switch k.name {
		case "bios":
			d.disk.BIOS = &BIOS{Stage: k.value("stage"), Span: k.element()}
		case "blob":
			d.disk.Blobs = append(d.disk.Blobs, Blob{
				Stage: k.value("stage"), From: k.value("from"), At: k.value("at"), Check: k.value("check"), Span: spanOf(k, "from"),
			})
		case "partition":
			parts = append(parts, k)
			d.partition(k)
		case "vm":
			d.disk.VM = &VM{
				Product: k.value("product"), Vendor: k.value("vendor"), Version: k.value("version"),
				Cores: k.value("cores"), Memory: k.value("memory"), NICs: k.value("nics"), Firmware: k.value("firmware"), Span: k.element(),
			}
		case "expect":
			within, _ := time.ParseDuration(k.value("within")) // 0 if absent; its errors are findings already
			d.disk.Expects = append(d.disk.Expects, Expect{Console: k.value("console"), Within: within, Span: spanOf(k, "console")})
		}
	}
	if !n.damaged && !n.open {
		checkTable(b.rep, n, parts)
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
	v := k.value("stage")
	if v == "" {
		return
	}
	who := "disk " + quote(d.disk.ID)
	if k != d.n {
		who = "<" + k.name + "> of " + who
	}
	d.refs = append(d.refs, ref{toStage, who + " is made from stage", v, k.attr("stage").value.trim().place(0, len(v))})
}

func (d *diskBuilder) partition(k *node) {
	p := &Partition{
		Name: k.value("name"), Type: k.value("type"), FS: k.value("fs"), Label: k.value("label"),
		Start: k.value("start"), Size: k.value("size"), Path: k.value("path"), Stage: k.value("stage"),
		UUID: k.value("uuid"), Active: k.value("active") == "yes", Grow: k.value("grow") == "yes", Span: spanOf(k, "name"),
	}
	for _, i := range k.kids {
		d.stageRef(i)
		p.Items = append(p.Items, newItem(i))
	}
	d.disk.Partitions = append(d.disk.Partitions, p)
}

func newItem(k *node) Item {
	it := Item{Kind: ItemKind(k.name), Stage: k.value("stage"), To: k.value("to"), Span: spanOf(k, "to")}
	switch it.Kind {
	case CopyItem:
		it.From, it.Span = k.value("from"), spanOf(k, "from")
	case FileItem:
		it.Mode, it.Text = or(k.value("mode"), "0644"), fileText(k.text().s)
	case InitrdItem:
		it.Modules = strings.Fields(k.value("modules"))
	case LoaderItem:
		it.Kernel, it.Initrd = or(k.value("kernel"), "/vmlinuz"), "/initrd.img"
		if k.attr("initrd") != nil {
			it.Initrd = k.value("initrd") // empty: boot without one
		}
		it.Cmdline, it.Title, it.Timeout = k.value("cmdline"), k.value("title"), or(k.value("timeout"), "0")
	}
	return it
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
