// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// attributes of a partition, in order.
type attributes []string

func (a *attributes) add(name, value string) {
	if value != "" {
		*a = append(*a, fmt.Sprintf(`%s="%s"`, name, attr(value)))
	}
}

var (
	guid = lazyregexp.New(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	hex  = lazyregexp.New(`^(0[xX])?([0-9A-Fa-f]{2})$`)
	fat  = lazyregexp.New(`^(?:0[xX])?([0-9A-Fa-f]{4})-?([0-9A-Fa-f]{4})$`)
)

// place adds the position, type, UUID and label of a partition; fs is its file
// system.
func (d *disk) place(c *command, a *attributes, fs string) {
	if off := d.size(c, "--offset", 'K'); c.has("--offset") {
		a.add("start", human(off))
	}
	d.kind(c, a)
	if c.has("--active") {
		if d.table == "mbr" {
			a.add("active", "yes")
		} else {
			a.add("attributes", "legacy-boot")
		}
	}
	if c.has("--mbr") && d.bootloader.value("--ptable") == "gpt-hybrid" {
		a.add("hybrid", "yes")
	}
	d.uuid(c, a, fs)
	label := c.value("--label")
	switch {
	case label == "":
	case kindOf(fs).Label == 0:
		d.Warn(c.at("--label"), "", "the label is left out: the partition has no file system with a label")
	default:
		if d.label == nil {
			d.label = map[string]finding.Span{}
		}
		if _, twice := d.label[label]; twice {
			d.Fail(c.at("--label"), "file systems of a disk have different labels", "label %s is given twice", finding.Quote(label))
		}
		d.label[label] = c.at("--label")
		a.add("label", label)
	}
}

// freeLabel is a label for a partition that GRUB looks for: no other partition has
// it.
func (d *disk) freeLabel() string {
	label := "BOOT"
	for n := 2; slices.ContainsFunc(d.parts, func(c *command) bool { return strings.EqualFold(c.value("--label"), label) }); n++ {
		label = fmt.Sprintf("BOOT%d", n)
	}
	return label
}

// kind adds the type of a partition.
func (d *disk) kind(c *command, a *attributes) {
	for _, name := range []string{"--part-type", "--system-id"} {
		v := c.value(name)
		switch m := hex().FindStringSubmatch(v); {
		case v == "":
		case d.table == "gpt" && guid().MatchString(v):
			a.add("type", v)
			return
		case d.table == "mbr" && m != nil:
			a.add("type", strings.ToLower(m[2]))
			return
		default:
			d.Warn(c.at(name), "use a GUID with gpt, and two hexadecimal digits with msdos", "%s %s is left out", name, finding.Quote(v))
		}
	}
	if src := c.value("--source"); src == "bootimg-efi" || src == "bootimg-biosplusefi" {
		a.add("type", "esp")
	}
}

// uuid adds the declared UUID: a disk has one UUID for both the file system and the
// partition.
func (d *disk) uuid(c *command, a *attributes, fs string) {
	part, own := c.value("--uuid"), c.value("--fsuuid")
	isFAT := kindOf(fs).Serial
	switch m := fat().FindStringSubmatch(own); {
	case own != "" && isFAT && m != nil:
		a.add("uuid", strings.ToUpper(m[1]+"-"+m[2]))
	case own != "" && isFAT:
		d.Warn(c.at("--fsuuid"), "such as 0x1234ABCD", "--fsuuid %s is not the serial number of a FAT", finding.Quote(own))
	case own != "":
		a.add("uuid", own)
	default:
		a.add("uuid", part)
		return
	}
	if part != "" && part != own {
		d.Warn(c.at("--uuid"), "", "--uuid is left out: the partition gets its UUID from --fsuuid, or its own")
	}
}

// sizeOf is the size of a partition, whose content may be known or not.
func (d *disk) sizeOf(c *command, fits bool) string {
	switch {
	case c.has("--fixed-size"):
		return human(d.size(c, "--fixed-size", 'M'))
	case c.has("--size") && d.size(c, "--size", 'M') > 0:
		if fits {
			d.Warn(c.at("--size"), `size="fit+..." makes it as large as its content needs`, "--size is a minimum in wic, and the exact size here")
		}
		return human(d.size(c, "--size", 'M'))
	case !fits:
		d.Fail(c.line.at, "give it --size or --fixed-size", "the partition has no size")
		return "1M"
	}
	extra := int64(10 << 10) // wic's own
	if c.has("--extra-space") {
		extra = d.size(c, "--extra-space", 'M')
	}
	switch {
	case !c.has("--extra-space") && !c.has("--overhead-factor") && c.value("--source") == "rootfs" && !kindOf(c.value("--fstype")).ReadOnly:
		d.Warn(c.line.words[0].at, `write the room into the size, such as size="fit+500M"`, "wic makes this partition 1.3 times as large as its content needs; here it has 10M of free space")
	case c.has("--overhead-factor"):
		d.Warn(c.at("--overhead-factor"), "write the room into the size", "--overhead-factor is left out: free space is a size here")
	}
	if extra == 0 {
		return "fit"
	}
	return "fit+" + human(extra)
}

// fsOf is the file system of a partition, or "".
func (d *disk) fsOf(c *command) (fs string, ok bool) {
	v := c.value("--fstype")
	if k := kindOf(v); k.Name == v && (k.Tree || k.Sized) {
		return v, true
	}
	switch v {
	case "ext2", "ext3":
		d.Warn(c.at("--fstype"), `profile="compat" leaves out what old boot loaders cannot read`, "%s becomes ext4", v)
		return "ext4", true
	case "", "vfat", "msdos":
		if n := max(d.size(c, "--fixed-size", 'M'), d.size(c, "--size", 'M')); n > 0 && n <= 256<<10 {
			return "fat16", true
		}
		return "fat32", true
	case "none":
		return "", true
	default:
		d.Fail(c.at("--fstype"), strings.Join(append(roots(), "vfat", "swap"), ", "), "file system %s is not written", finding.Quote(v))
		return "", false
	}
}

// kindOf says what a file system can hold. It is empty for an unknown file system.
func kindOf(fs string) kind.FileSystem {
	k, _ := kind.ByName(fs)
	return k
}

// labelled reports whether the file system that wic calls so has a label.
func labelled(fstype string) bool {
	k, ok := kind.ByName(fstype)
	return !ok || k.Label > 0
}

// roots are the file systems that a root can have.
func roots() []string { return kind.Names(func(k kind.FileSystem) bool { return k.Tree }) }
