// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// bootimg is a partition with a boot loader and a kernel.
func (d *disk) bootimg(c *command, a attributes, src string) {
	fs, ok := d.fsOf(c)
	if !ok {
		return
	}
	if !kindOf(fs).Serial {
		d.Fail(c.at("--fstype"), "--fstype=vfat", "source %s needs a FAT file system", src)
		return
	}
	a.add("fs", fs)
	d.place(c, &a, fs)
	size := d.sizeOf(c, true)
	var inside []string
	switch src {
	case "bootimg-partition":
		inside = d.bootPartition(c)
	case "bootimg-pcbios":
		d.onlyParams(c)
		inside = append(d.kernel(), d.menu("loader", "", ""))
	default:
		inside = d.efi(c)
	}
	if len(inside) == 0 { // it has been reported
		return
	}
	if c.value("--label") == "" && strings.HasPrefix(inside[len(inside)-1], "<loader ") { // GRUB finds it by its label
		a.add("label", d.freeLabel())
	}
	a.add("size", size)
	d.element(a, inside)
}

func (d *disk) kernel() []string { return []string{`<copy from="deploy:kernel" to="/vmlinuz"/>`} }

// menu is the entry of a boot menu.
func (d *disk) menu(element, initrd, title string) string {
	d.boot = true
	kernel := ""
	timeout := d.bootloader.value("--timeout")
	a := attributes{}
	if initrd == "" {
		kernel = ` initrd=""`
	}
	if timeout != "0" {
		a.add("timeout", timeout)
	}
	a.add("title", title)
	a.add("cmdline", strings.TrimSpace(d.root()+" "+strings.TrimSpace(d.bootloader.value("--append"))))
	return fmt.Sprintf("<%s%s %s/>", element, kernel, strings.Join(a, " "))
}

// root is the kernel's argument for the root file system. wic names a device unless
// a UUID or a label is asked for; a UUID is right on every machine.
func (d *disk) root() string {
	for i, c := range d.parts {
		if d.mountpoint(c) != "/" {
			continue
		}
		if c.has("--use-label") && c.value("--label") != "" && labelled(c.value("--fstype")) {
			return "root=LABEL=" + c.value("--label")
		}
		return "root=PARTUUID={partuuid:" + d.names[i] + "}"
	}
	return ""
}

// bootPartition has the files that boards boot from.
func (d *disk) bootPartition(c *command) []string {
	d.onlyParams(c, "loader")
	d.Warn(c.at("--source"), "add its other files with <copy>", "only the kernel and the device trees are copied, where wic copies IMAGE_BOOT_FILES of the machine's configuration")
	if loader := c.params()["loader"]; loader == "u-boot" {
		return []string{`<copy from="deploy:kernel" to="/zImage"/>`, `<copy from="deploy:dtb" to="/"/>`, d.menu("extlinux", "", "")}
	} else if loader != "" {
		d.Fail(c.at("--sourceparams"), "u-boot", "loader %s of source bootimg-partition is not known", finding.Quote(loader))
		return nil
	}
	return []string{`<copy from="deploy:kernel" to="/"/>`, `<copy from="deploy:dtb" to="/"/>`}
}

// efi has a boot loader for UEFI.
func (d *disk) efi(c *command) []string {
	p := c.params()
	d.onlyParams(c, "loader", "initrd", "create-unified-kernel-image", "title")
	if p["create-unified-kernel-image"] == "true" {
		d.Fail(c.at("--sourceparams"), "<uki> makes one with its own initrd", "a unified kernel image with the initrd of another recipe is not made")
		return nil
	}
	var inside []string
	switch p["loader"] {
	case "systemd-boot", "grub-efi":
		inside = append(d.kernel(), fmt.Sprintf(`<copy from="deploy:%s" to="%s"/>`, p["loader"], d.efiName()))
	case "uefi-kernel":
		d.boot = true
		if d.bootloader.has("--append") {
			d.Warn(d.bootloader.at("--append"), "put it into the kernel: CONFIG_CMDLINE", "--append is left out: the firmware starts the kernel without a command line")
		}
		return []string{fmt.Sprintf(`<copy from="deploy:kernel" to="%s"/>`, d.efiName())}
	case "":
		d.Fail(c.at("--source"), `--sourceparams="loader=systemd-boot"`, "source %s names no loader", c.value("--source"))
		return nil
	default:
		d.Fail(c.at("--sourceparams"), "systemd-boot, grub-efi or uefi-kernel", "loader %s is not known", finding.Quote(p["loader"]))
		return nil
	}
	if img := p["initrd"]; img != "" {
		if !validFile(img) {
			d.Fail(c.at("--sourceparams"), "", "initrd %s is not the name of a file", finding.Quote(img))
			return nil
		}
		inside = append(inside, fmt.Sprintf(`<copy from="%s" to="/initrd.img"/>`, attr(deployed+img)))
	}
	return append(inside, d.menu("loader", p["initrd"], p["title"]))
}
