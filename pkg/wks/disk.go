// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// disk writes a disk.
type disk struct {
	*reader
	text  strings.Builder
	table string
	taken map[string]bool
	names []string // of the partitions that are not blobs, by number
	boot  bool     // a boot menu was written

	label   map[string]finding.Span // labels of file systems, and where they are given
	lines   int                     // number of lines of text
	current finding.Span            // place of the part being written
	origins map[int]finding.Span    // of the lines of text, which count from 1
	indent  string
}

// deployed is the pattern of a file that bitbake has deployed: TMPDIR may be
// followed by the name of the C library.
const deployed = "/REDO/build/tmp*/deploy/images/*/"

func attr(s string) string { return xmltext.EscapeAttr(s) }

func (d *disk) line(format string, args ...any) {
	d.lines++
	d.origins[d.lines] = d.current
	fmt.Fprintf(&d.text, d.indent+format+"\n", args...)
}

// write writes the disk; findings say what is missing.
func (d *disk) write(source string) {
	d.table, d.taken = "mbr", map[string]bool{}
	switch t := d.bootloader.value("--ptable"); t {
	case "", "msdos":
	case "gpt", "gpt-hybrid":
		d.table = "gpt"
	default:
		d.Fail(d.bootloader.at("--ptable"), "use msdos, gpt or gpt-hybrid", "partition table %s is not known", finding.Quote(t))
	}
	for _, name := range []string{"--configfile", "--source"} {
		if d.bootloader.has(name) {
			d.Warn(d.bootloader.at(name), "write the file with <file to=...>", "%s of bootloader is left out", name)
		}
	}
	d.checkTimeout()
	d.current = start(source)
	d.line("<!-- Made from %s, a kickstart file of wic, by carosbuild import -->", xmltext.EscapeComment(source))
	bios := slices.IndexFunc(d.parts, d.bios)
	stage := d.BIOS != "" && bios >= 0
	if stage {
		d.line("<redo>")
		d.text.WriteString(strings.TrimRight(d.BIOS, "\n") + "\n")
		d.lines += strings.Count(strings.TrimRight(d.BIOS, "\n"), "\n") + 1
		d.indent = "  "
	}
	align := ""
	if a := d.align(); a != "" {
		align = fmt.Sprintf(` align="%s"`, a)
	}
	d.line(`<disk id="%s" table="%s"%s>`, attr(d.ID), d.table, align)
	switch {
	case stage:
		d.line(`  <bios stage="%s"/>`, attr(d.BIOSStage))
		d.Warn(d.parts[bios].at("--source"), "stage "+d.BIOSStage+" has GRUB", "GRUB is used instead of syslinux")
	case bios >= 0:
		d.line("  <bios/>")
		d.Warn(d.parts[bios].at("--source"), `<bios stage="..."/> names the stage`, "GRUB is used instead of syslinux; it needs a stage with grub-common and grub-pc-bin of Debian")
	}
	for _, c := range d.parts {
		d.names = append(d.names, d.name(c, d.taken))
	}
	for i, c := range d.parts {
		if d.current = c.line.at; c.broken || c.open {
			continue
		}
		d.common(c)
		d.part(c, d.names[i])
	}
	if !d.All.HasErrors() {
		d.mounts()
	}
	if !d.boot && d.bootloader.has("--append") {
		d.Warn(d.bootloader.at("--append"), "", "--append has no effect: no partition has a boot loader that is made of it")
	}
	d.line("</disk>")
	if d.indent = ""; stage {
		d.line("</redo>")
	}
}

// deployValue matches references to deployed files, which are known only after a
// build.
var deployValue = lazyregexp.New(`"deploy:[a-z-]+"`)

// selfCheck parses the disk that was written, and reports what a declaration cannot
// express.
func (d *disk) selfCheck() {
	_, fs := decl.Parse(decl.Source{Name: "made", Data: deployValue().ReplaceAll([]byte(d.text.String()), []byte(`"/x"`))})
	for _, f := range fs {
		if f.Severity == finding.Error {
			d.Fail(d.origins[f.Span.Line], f.Hint, "%s", f.Summary)
		}
	}
}

// mounts warns of partitions that wic would have the image mount.
func (d *disk) mounts() {
	for _, c := range d.parts {
		if dir := d.mountpoint(c); strings.HasPrefix(dir, "/") && dir != "/" && !c.has("--no-fstab-update") {
			d.Warn(c.operands[0].at, "add it to the image's fstab", "nothing mounts %s: wic would add it to /etc/fstab", dir)
		}
	}
}

// checkTimeout requires a number of seconds, even if there is no menu.
func (d *disk) checkTimeout() {
	if t := d.bootloader.value("--timeout"); !d.bootloader.open && strings.Trim(t, "0123456789") != "" {
		d.Fail(d.bootloader.at("--timeout"), "", "timeout %s is not a number", finding.Quote(t))
	}
}

func (d *disk) bios(c *command) bool {
	return c.value("--source") == "bootimg-pcbios" || c.value("--source") == "bootimg-biosplusefi"
}

// align is the alignment of all partitions, if it is not the default of 1M.
func (d *disk) align() string {
	most := int64(0)
	for _, c := range d.parts {
		n := d.size(c, "--align", 'K')
		if most != 0 && n != 0 && n != most {
			d.Warn(c.at("--align"), "", "partitions have different alignments; the largest one is taken for all")
		}
		most = max(most, n)
	}
	if most == 0 || most == 1024 {
		return ""
	}
	return human(most)
}

// human is a size in KiB in the form of declarations.
func human(kib int64) string {
	switch {
	case kib%(1<<20) == 0:
		return fmt.Sprintf("%dG", kib>>20)
	case kib%(1<<10) == 0:
		return fmt.Sprintf("%dM", kib>>10)
	}
	return fmt.Sprintf("%dK", kib)
}

// common reports options that a partition cannot have, whatever its source.
func (d *disk) common(c *command) {
	for _, name := range []string{"--exclude-path", "--include-path", "--change-directory"} {
		if c.has(name) {
			d.Fail(c.at(name), "make the tree in a stage, and give its directory as path", "%s is not supported: the content is taken as it is deployed", name)
		}
	}
	if c.has("--no-table") && c.value("--source") != "rawcopy" {
		d.Fail(c.at("--no-table"), "--source rawcopy", "only a file can be outside the partition table")
	}
	if t := c.value("--type"); t == "logical" {
		d.Fail(c.at("--type"), "bootloader --ptable gpt does not need them", "logical partitions are not made")
	}
	for _, name := range []string{"--mkfs-extraopts", "--fsoptions", "--fspassno", "--hidden"} {
		if c.has(name) && c.value(name) != "" || name == "--hidden" && c.has(name) {
			d.Warn(c.at(name), "", "%s is left out", name)
		}
	}
	if c.has("--size") && c.has("--fixed-size") {
		d.Fail(c.at("--fixed-size"), "remove one of them", "--size and --fixed-size exclude each other")
	}
	if first := d.parts[0]; d.disk(c) != d.disk(first) {
		d.Fail(c.at("--ondisk"), "write a file for each", "the partitions are on several disks")
	}
}

func (d *disk) mountpoint(c *command) string {
	if len(c.operands) == 0 {
		return ""
	}
	return c.operands[0].text
}

func (d *disk) disk(c *command) string {
	for _, name := range []string{"--ondisk", "--ondrive"} {
		if c.has(name) {
			return c.value(name)
		}
	}
	return "sda"
}

// part writes a partition.
func (d *disk) part(c *command, name string) {
	a := attributes{}
	a.add("name", name)
	switch src := c.value("--source"); src {
	case "":
		d.plain(c, a, true)
	case "empty":
		d.plain(c, a, false)
	case "rootfs":
		d.rootfs(c, a)
	case "rawcopy":
		d.rawcopy(c, a)
	case "bootimg-partition", "bootimg-efi", "bootimg-pcbios", "bootimg-biosplusefi":
		d.bootimg(c, a, src)
	case "isoimage-isohybrid":
		d.Fail(c.at("--source"), "--out NAME.iso makes a disc of a disk: see declaration.md, Discs and USB sticks", "source isoimage-isohybrid makes a disc, not a disk")
	default:
		d.Fail(c.at("--source"), "", "source %s has no counterpart in a disk", finding.Quote(src))
	}
}

// element writes a partition with what is in it.
func (d *disk) element(a attributes, inside []string) {
	if len(inside) == 0 {
		d.line("  <partition %s/>", strings.Join(a, " "))
		return
	}
	d.line("  <partition %s>", strings.Join(a, " "))
	for _, s := range inside {
		d.line("    %s", s)
	}
	d.line("  </partition>")
}

// plain writes a partition without content; made says whether it has a file system.
func (d *disk) plain(c *command, a attributes, made bool) {
	fs := ""
	if made && c.has("--fstype") {
		fs, _ = d.fsOf(c)
	}
	a.add("fs", fs)
	d.place(c, &a, fs)
	a.add("size", d.sizeOf(c, false))
	d.element(a, nil)
}

// rootfs writes a partition with the image's root file system.
func (d *disk) rootfs(c *command, a attributes) {
	if dir := c.value("--rootfs-dir"); dir != "" {
		d.Fail(c.at("--rootfs-dir"), "write path= with the directory, archive or image in the stage", "root file system %s is not the image's own", finding.Quote(dir))
		return
	}
	fs, ok := d.fsOf(c)
	switch {
	case !ok:
		return
	case !kindOf(fs).Tree:
		d.Fail(c.at("--fstype"), kind.Choice(roots()), "a root file system cannot be put on %s", cmp.Or(c.value("--fstype"), "vfat"))
		return
	}
	a.add("fs", fs)
	d.place(c, &a, fs)
	a.add("size", d.sizeOf(c, true))
	a.add("path", "deploy:rootfs")
	d.element(a, nil)
}

// rawcopy writes a partition, or an area of the disk, with the bytes of a file.
func (d *disk) rawcopy(c *command, a attributes) {
	d.onlyParams(c, "file")
	file := c.params()["file"]
	if file == "" || !validFile(file) {
		d.Fail(c.at("--sourceparams"), `--sourceparams="file=NAME"`, "source rawcopy names no file")
		return
	}
	if c.has("--no-table") {
		if !c.has("--offset") {
			d.Fail(c.at("--no-table"), "give it --offset", "the file has no offset on the disk")
			return
		}
		d.line(`  <blob from="%s" at="%s"/>`, attr(deployed+file), human(d.size(c, "--offset", 'K')))
		return
	}
	d.place(c, &a, "")
	size := "fit"
	if c.has("--fixed-size") || c.has("--size") {
		size = d.sizeOf(c, false)
	}
	a.add("size", size)
	a.add("from", deployed+file)
	d.element(a, nil)
}

// validFile reports whether a name stays in the directory of deployed files.
func validFile(name string) bool {
	return path.Clean("/"+name) == "/"+name && !strings.ContainsAny(name, "\x00\n")
}
