// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// stage makes a tree of files, with their contents; "-> x" is a symbolic link.
func stage(t *testing.T, files map[string]string) *tree.Tree {
	t.Helper()
	b := tree.NewBuilder(0)
	for _, p := range slices.Sorted(maps.Keys(files)) {
		c := files[p]
		e := tree.Entry{Path: p, Mode: tree.Regular | 0o644, Size: int64(len(c)), Content: image.Bytes(c)}
		if to, ok := strings.CutPrefix(c, "-> "); ok {
			e = tree.Entry{Path: p, Mode: tree.Symlink | 0o777, Link: to}
		}
		if strings.HasSuffix(p, "/") {
			e = tree.Entry{Path: p, Mode: tree.Dir | 0o755}
		}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	out, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// below puts a directory in front of names; each line is a name, or a link and its
// target.
func below(dir string, lines ...string) map[string]string {
	out := map[string]string{}
	for _, l := range lines {
		name, to, link := strings.Cut(l, " -> ")
		out[dir+name] = "content of " + l
		if link {
			out[dir+name] = "-> " + to
		}
	}
	return out
}

func with(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

// vmware is the deploy directory of CarOS 16.04 (jethro): IMAGE_NAME,
// KERNEL_IMAGE_BASE_NAME and MODULE_IMAGE_BASE_NAME with dates, links without.
func vmware() map[string]string {
	return below(images+"vmware/",
		"README_-_DO_NOT_DELETE_FILES_IN_THIS_DIRECTORY.txt",
		"bzImage--4.4+git0+ab-r0-vmware-20160401101112.bin", "bzImage-vmware.bin -> bzImage--4.4+git0+ab-r0-vmware-20160401101112.bin",
		"bzImage -> bzImage--4.4+git0+ab-r0-vmware-20160401101112.bin",
		"modules--4.4+git0+ab-r0-vmware-20160401101112.tgz", "modules-vmware.tgz -> modules--4.4+git0+ab-r0-vmware-20160401101112.tgz",
		"core-image-caros-vmware-20160401101112.rootfs.cpio.gz", "core-image-caros-vmware.cpio.gz -> core-image-caros-vmware-20160401101112.rootfs.cpio.gz",
		"core-image-caros-vmware-20160401101112.rootfs.ext3", "core-image-caros-vmware.ext3 -> core-image-caros-vmware-20160401101112.rootfs.ext3",
		"core-image-caros-vmware-20160401101112.iso", "core-image-caros-vmware.iso -> core-image-caros-vmware-20160401101112.iso",
		"core-image-caros-vmware-20160401101112.hddimg", "core-image-caros-vmware-20160401101112.rootfs.manifest", "core-image-caros-vmware-20160401101112.ova",
		"core-image-minimal-initramfs-vmware-20160401101112.rootfs.cpio.gz",
		"core-image-minimal-initramfs-vmware.cpio.gz -> core-image-minimal-initramfs-vmware-20160401101112.rootfs.cpio.gz",
	)
}

func withTar(files map[string]string) map[string]string {
	return with(files, below(images+"vmware/", "core-image-caros-vmware-20160401101112.rootfs.tar.gz", "core-image-caros-vmware.tar.gz -> core-image-caros-vmware-20160401101112.rootfs.tar.gz"))
}

// lamobo is the directory of the board: uImage, device tree with the kernel's type
// in front, u-boot with SPL.
func lamobo() map[string]string {
	m := "sun7i-a20-lamobo-r1"
	return below(images+m+"/",
		"uImage--4.4-r0-"+m+"-20160401101112.bin", "uImage -> uImage--4.4-r0-"+m+"-20160401101112.bin", "uImage-"+m+".bin -> uImage--4.4-r0-"+m+"-20160401101112.bin",
		"uImage--4.4-r0-"+m+"-20160401101112.dtb", "uImage-"+m+".dtb -> uImage--4.4-r0-"+m+"-20160401101112.dtb",
		"modules--4.4-r0-"+m+"-20160401101112.tgz", "modules-"+m+".tgz -> modules--4.4-r0-"+m+"-20160401101112.tgz",
		"u-boot-"+m+"-v2016.01-r0.bin", "u-boot.bin -> u-boot-"+m+"-v2016.01-r0.bin",
		"u-boot-sunxi-with-spl.bin-"+m+"-v2016.01-r0", "u-boot-sunxi-with-spl.bin -> u-boot-sunxi-with-spl.bin-"+m+"-v2016.01-r0",
		"boot-"+m+"-v2016.01-r0.scr", "boot.scr -> boot-"+m+"-v2016.01-r0.scr",
		"core-image-caros-"+m+"-20160401101112.rootfs.tar.gz", "core-image-caros-"+m+".tar.gz -> core-image-caros-"+m+"-20160401101112.rootfs.tar.gz",
		"core-image-caros-"+m+"-20160401101112.rootfs.ext3", "core-image-caros-"+m+"-20160401101112.rootfs.sunxi-sdimg",
	)
}

// scarthgap is the directory of qemux86-64 in 2024, with EFI parts.
func scarthgap() map[string]string {
	m := "qemux86-64"
	return with(below(images+m+"/",
		"bzImage--6.6.21+git0+ab-r0-"+m+"-20240501101112.bin", "bzImage -> bzImage--6.6.21+git0+ab-r0-"+m+"-20240501101112.bin",
		"bzImage-initramfs-"+m+".bin", "modules--6.6.21+git0+ab-r0-"+m+"-20240501101112.tgz", "modules-"+m+".tgz -> modules--6.6.21+git0+ab-r0-"+m+"-20240501101112.tgz",
		"core-image-minimal-"+m+".rootfs-20240501101112.tar.zst", "core-image-minimal-"+m+".rootfs.tar.zst -> core-image-minimal-"+m+".rootfs-20240501101112.tar.zst",
		"core-image-minimal-"+m+".rootfs-20240501101112.ext4", "core-image-minimal-"+m+".rootfs.ext4 -> core-image-minimal-"+m+".rootfs-20240501101112.ext4",
		"core-image-minimal-"+m+".rootfs-20240501101112.wic", "core-image-minimal-"+m+".rootfs.spdx.tar.zst", "core-image-minimal-"+m+".rootfs-20240501101112.spdx.tar.zst",
		"core-image-minimal-"+m+".rootfs-20240501101112-dbg.tar.gz", "core-image-minimal-"+m+".rootfs-dbg.tar.gz",
		"core-image-minimal-"+m+".rootfs.manifest", "core-image-minimal-"+m+".rootfs.testdata.json",
		"core-image-minimal-initramfs-"+m+".cpio.gz", "core-image-initramfs-boot-"+m+".cpio.gz",
		"grub-efi-bootx64.efi", "systemd-bootx64.efi", "linuxx64.efi.stub", "addonx64.efi.stub",
	), map[string]string{"REDO/source/poky/meta/conf/layer.conf": "x\nLAYERSERIES_CORENAMES = \"scarthgap\"\n"})
}

// arm64 is the directory of genericarm64, whose root is only in a disk image.
func arm64() map[string]string {
	return below(images+"genericarm64/",
		"Image--6.6-r0-genericarm64-20240501101112.bin", "Image -> Image--6.6-r0-genericarm64-20240501101112.bin", "modules-genericarm64.tgz",
		"core-image-base-genericarm64.rootfs.wic -> core-image-base-genericarm64.rootfs-20240501101112.wic", "core-image-base-genericarm64.rootfs-20240501101112.wic",
		"core-image-initramfs-boot-genericarm64.cpio.gz", "systemd-bootaa64.efi", "linuxaa64.efi.stub", "u-boot.bin", "u-boot.itb",
		"board-a.dtb", "board-a-genericarm64.dtb -> board-a.dtb", "board-a--6.6-r0-genericarm64-20240501101112.dtb -> board-a.dtb", "board-b.dtb", "overlay.dtbo",
	)
}
