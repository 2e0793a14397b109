// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// Kind is what a deployed file is for.
type Kind string

// The kinds.
const (
	RootFS      Kind = "rootfs"       // an archive or image of the root file system, or its directory
	Kernel      Kind = "kernel"       // bzImage, Image, zImage, uImage or fitImage
	DTB         Kind = "dtb"          // device trees
	Modules     Kind = "modules"      // archive with /lib/modules
	UBoot       Kind = "u-boot"       // u-boot as it is written to the disk
	Bootscript  Kind = "bootscript"   // boot.scr
	SystemdBoot Kind = "systemd-boot" // EFI program
	GRUB        Kind = "grub-efi"     // EFI program
	Stub        Kind = "efi-stub"     // of systemd, for a unified kernel image
	ISO         Kind = "iso"          // live system
)

// Kinds are all kinds.
func Kinds() []Kind {
	return []Kind{RootFS, Kernel, DTB, Modules, UBoot, Bootscript, SystemdBoot, GRUB, Stub, ISO}
}

// File is a deployed file.
type File struct {
	Path string // path in the tree, without a leading slash; links in it are to be followed
	Name string // name to use where only the name matters: bzImage, BOARD.dtb, BOOTX64.EFI
	Note string // note for the user, or ""
	// Unowned says that it is a directory whose files belong to the user who ran
	// bitbake, and not to their owners on the target.
	Unowned bool
}

// File returns the file of a kind. An error says what was looked for, what there
// is, and how to deploy the file.
func (d *Deployed) File(k Kind) (File, error) {
	all, err := d.Files(k)
	if err != nil {
		return File{}, err
	}
	if len(all) == 1 {
		return all[0], nil
	}
	for _, f := range all {
		if f.Name == d.Machine+".dtb" {
			return f, nil
		}
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	return File{}, &Error{
		Text:   fmt.Sprintf("several device trees are deployed for machine %s: %s", d.Machine, few(names)),
		Remedy: fmt.Sprintf(`copy all of them into a directory, with to="/dtb/", or name one: from="/%s"`, all[0].Path),
	}
}

// Files returns the files of a kind, at least one. Only of device trees there may
// be several.
func (d *Deployed) Files(k Kind) ([]File, error) {
	var all []File
	switch k {
	case RootFS:
		all = d.rootFS()
	case ISO:
		all = d.image([]string{"iso"})
	case Kernel:
		all = d.kernel()
	case DTB:
		all = d.deviceTrees()
	case Modules:
		all = d.first("", "modules-"+d.Machine+".tgz", "modules-*.tgz")
	case UBoot:
		all = d.first("", "u-boot-sunxi-with-spl.bin", "u-boot-*with-spl.bin", "u-boot-with-spl.*", "u-boot-*with-spl*", "u-boot-rockchip.bin", "u-boot-dtb.img", "u-boot.itb", "u-boot.img", "u-boot.imx", "u-boot.bin", "u-boot-"+d.Machine+".*", "u-boot-*.bin")
	case Bootscript:
		all = d.first("boot.scr", "boot.scr", "boot-"+d.Machine+".scr", "*.scr")
	case SystemdBoot:
		all = d.program("systemd-boot", "gummiboot")
	case GRUB:
		all = d.program("grub-efi-boot", "boot")
	case Stub:
		all = d.first("", "linuxx64.efi.stub", "linuxaa64.efi.stub", "linux*.efi.stub")
	}
	if len(all) == 0 {
		return nil, d.missing(k)
	}
	return all, nil
}

// first is the file for the first pattern that matches a name; if it matches
// several, the one without a date or else the newest.
func (d *Deployed) first(as string, patterns ...string) []File {
	for _, p := range patterns {
		var fit []string
		for _, name := range d.names {
			if ok, err := path.Match(p, name); ok && err == nil {
				fit = append(fit, name)
			}
		}
		if len(fit) > 0 {
			name, note := newest(fit, fit)
			f := d.file(name, as)
			f.Note = note
			return []File{f}
		}
	}
	return nil
}

func (d *Deployed) file(name, as string) File {
	if as == "" {
		as = name
	}
	return File{Path: d.Dir + "/" + name, Name: as}
}

// inName matches a date anywhere in a name.
var inName = lazyregexp.New(`-([0-9]{14}|[0-9]{8})(\.|-|$)`)

// newest chooses among names, whose versions are given in parallel: the first one
// without a date, or else the one with the latest date.
func newest(names, versions []string) (name, note string) {
	best := -1
	for i, v := range versions {
		switch m := inName().FindStringSubmatch("-" + v); {
		case m == nil && (v == "" || v == names[i]):
			return names[i], ""
		case best < 0 || dateOf(v) > dateOf(versions[best]) || dateOf(v) == dateOf(versions[best]) && natural(v, versions[best]) > 0:
			best = i
		}
	}
	if len(names) > 1 {
		note = fmt.Sprintf("%s is the newest of %d files, and is used because no link points at one of them", names[best], len(names))
	}
	return names[best], note
}

func dateOf(version string) string {
	if m := inName().FindStringSubmatch("-" + version); m != nil {
		return m[1]
	}
	return ""
}

// kernelNames are names of kernels (KERNEL_IMAGETYPE), the best first for a machine
// that has several.
var kernelNames = []string{"bzImage", "Image", "Image.gz", "zImage", "uImage", "fitImage", "vmlinuz", "vmlinux.gz", "vmlinux"}

func (d *Deployed) kernel() []File {
	for _, name := range kernelNames {
		if slices.Contains(d.names, name) {
			return []File{d.file(name, "")}
		}
	}
	for _, kind := range kernelNames { // KERNEL_IMAGETYPE_SYMLINK = "0"
		var fit []string
		for _, name := range d.names {
			rest, ok := strings.CutPrefix(name, kind+"-")
			if ok && !strings.HasSuffix(name, ".dtb") && !strings.HasSuffix(name, ".its") && !strings.HasPrefix(rest, "initramfs") && !strings.HasPrefix(rest, "its-") && !strings.Contains(rest, ".dtb") {
				fit = append(fit, name)
			}
		}
		if len(fit) > 0 {
			name, note := newest(fit, fit)
			f := d.file(name, kind)
			f.Note = note
			return []File{f}
		}
	}
	return nil
}

// RootKernel is the kernel in /boot of a root file system, where packages install
// it; false if there is none.
func RootKernel(root *tree.Tree) (File, bool) {
	boot, err := root.Lookup("/boot")
	if err != nil {
		return File{}, false
	}
	d := Deployed{Dir: boot.Path, tree: root, names: files(root, boot.Path)}
	all := d.kernel()
	if len(all) == 0 {
		return File{}, false
	}
	return all[0], true
}

// deviceTrees are under the names that the kernel's sources use. Until 2018 they
// have the kernel's type as a prefix, and they may have the machine as a suffix.
func (d *Deployed) deviceTrees() []File {
	found := map[string]string{} // canonical name to file name
	for _, name := range d.names {
		base, ok := strings.CutSuffix(name, ".dtb")
		if !ok || strings.Contains(base, "--") || inName().MatchString(base) {
			continue // another name for one without a version in its name
		}
		for _, kind := range kernelNames {
			base = strings.TrimPrefix(base, kind+"-")
		}
		if d.Machine != "" {
			if short, ok := strings.CutSuffix(base, "-"+d.Machine); ok {
				base = short
			}
		}
		if old, ok := found[base]; !ok || len(name) < len(old) || len(name) == len(old) && name < old {
			found[base] = name
		}
	}
	var out []File
	for base, name := range found {
		out = append(out, d.file(name, base+".dtb"))
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	if len(out) == 0 {
		return d.first("", "*.dtb")
	}
	return out
}

// program is an EFI program, found by the possible beginnings of its name. Its
// result has the name that firmware looks for (UEFI specification, section
// 3.5.1.1).
func (d *Deployed) program(prefixes ...string) []File {
	for _, prefix := range prefixes {
		for _, arch := range []string{"x64", "aa64", "riscv64", "arm", "ia32"} {
			if name := prefix + arch + ".efi"; slices.Contains(d.names, name) {
				return []File{d.file(name, "BOOT"+strings.ToUpper(arch)+".EFI")}
			}
		}
	}
	return nil
}
