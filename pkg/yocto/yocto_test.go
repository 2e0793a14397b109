// SPDX-License-Identifier: MPL-2.0

package yocto

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const images = "REDO/build/tmp/deploy/images/"

// shown is what is found for each kind.
func shown(d *Deployed) map[Kind]string {
	out := map[Kind]string{}
	for _, k := range Kinds() {
		all, err := d.Files(k)
		for i, f := range all {
			out[k] += []string{"", " "}[min(i, 1)] + strings.TrimPrefix(f.Path, d.Dir+"/")
			if base := f.Path[strings.LastIndexByte(f.Path, '/')+1:]; f.Name != base {
				out[k] += "=" + f.Name
			}
			if f.Note != "" {
				out[k] += " (" + f.Note + ")"
			}
		}
		if err != nil {
			out[k] = "!"
		}
	}
	return out
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name           string
		files          map[string]string
		q              Query
		machine, image string
		want           map[Kind]string
	}{
		{"vmware, cpio", vmware(), Query{}, "vmware", "core-image-caros", map[Kind]string{
			RootFS: "core-image-caros-vmware.cpio.gz", Kernel: "bzImage", Modules: "modules-vmware.tgz", ISO: "core-image-caros-vmware.iso",
			DTB: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
		{"vmware, tar", withTar(vmware()), Query{LikelyMachine: "vmware", LikelyImages: []string{"packagegroup-caros", "core-image-caros"}}, "vmware", "core-image-caros", map[Kind]string{
			RootFS: "core-image-caros-vmware.tar.gz", Kernel: "bzImage", Modules: "modules-vmware.tgz", ISO: "core-image-caros-vmware.iso",
			DTB: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
		{"lamobo-r1", lamobo(), Query{}, "sun7i-a20-lamobo-r1", "core-image-caros", map[Kind]string{
			RootFS: "core-image-caros-sun7i-a20-lamobo-r1.tar.gz", Kernel: "uImage", Modules: "modules-sun7i-a20-lamobo-r1.tgz",
			DTB: "uImage-sun7i-a20-lamobo-r1.dtb=sun7i-a20-lamobo-r1.dtb", UBoot: "u-boot-sunxi-with-spl.bin", Bootscript: "boot.scr",
			ISO: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
		{"qemux86-64 scarthgap", scarthgap(), Query{}, "qemux86-64", "core-image-minimal", map[Kind]string{
			RootFS: "core-image-minimal-qemux86-64.rootfs.tar.zst", Kernel: "bzImage", Modules: "modules-qemux86-64.tgz",
			SystemdBoot: "systemd-bootx64.efi=BOOTX64.EFI", GRUB: "grub-efi-bootx64.efi=BOOTX64.EFI", Stub: "linuxx64.efi.stub",
			ISO: "!", DTB: "!", UBoot: "!", Bootscript: "!",
		}},
		{"genericarm64", arm64(), Query{}, "genericarm64", "core-image-base", map[Kind]string{
			RootFS: "core-image-base-genericarm64.rootfs.wic", Kernel: "Image", Modules: "modules-genericarm64.tgz", DTB: "board-a.dtb board-b.dtb",
			SystemdBoot: "systemd-bootaa64.efi=BOOTAA64.EFI", Stub: "linuxaa64.efi.stub", UBoot: "u-boot.itb", GRUB: "!", ISO: "!", Bootscript: "!",
		}},
		{
			"dates only", below(images+"m/", "a-image-m-20160101000000.rootfs.tar.bz2", "a-image-m-20160301000000.rootfs.tar.bz2", "zImage-m.bin", "zImage--4.1-m-20160301000000.bin", "zImage-board.dtb"),
			Query{},
			"m", "a-image",
			map[Kind]string{
				RootFS: "a-image-m-20160301000000.rootfs.tar.bz2 (a-image-m-20160301000000.rootfs.tar.bz2 is the newest of 2 files, and is used because no link points at one of them)",
				Kernel: "zImage-m.bin=zImage", DTB: "zImage-board.dtb=board.dtb",
				ISO: "!", Modules: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
			},
		},
		{"the machine's own directory", with(scarthgap(), vmware()), Query{Dir: "/" + images + "vmware", Image: "core-image-caros"}, "vmware", "core-image-caros", map[Kind]string{
			RootFS: "core-image-caros-vmware.cpio.gz", Kernel: "bzImage", Modules: "modules-vmware.tgz", ISO: "core-image-caros-vmware.iso",
			DTB: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
		{"lz4", below(images+"m/", "i-m.rootfs.ext4.lz4"), Query{}, "m", "i", map[Kind]string{
			RootFS: "i-m.rootfs.ext4.lz4", Kernel: "!", DTB: "!", Modules: "!", ISO: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
		{"another TMPDIR, a custom version", below("REDO/build/tmp-glibc/deploy/images/m/", "i-m-v1.2.rootfs.cpio.xz", "fitImage"), Query{}, "m", "i", map[Kind]string{
			RootFS: "i-m-v1.2.rootfs.cpio.xz", Kernel: "fitImage", DTB: "!", Modules: "!", ISO: "!", UBoot: "!", Bootscript: "!", SystemdBoot: "!", GRUB: "!", Stub: "!",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Find(stage(t, tt.files), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if d.Machine != tt.machine || d.Image != tt.image {
				t.Errorf("got machine %q, image %q", d.Machine, d.Image)
			}
			if diff := cmp.Diff(tt.want, shown(d)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReadArtifact parses names, and ignores those that are not of images.
func TestReadArtifact(t *testing.T) {
	for name, want := range map[string]string{
		"a-b-m.tar.gz": "a-b tar ", "a-b-m-20160401101112.rootfs.tar.gz": "a-b tar 20160401101112", "a-b-m.rootfs.wic.zst": "a-b wic ",
		"a-b-m.rootfs-20240501101112.squashfs-zst": "a-b squashfs 20240501101112", "a-b.rootfs.ext4": "a-b ext4 ", "a-b-m-20160401101112.iso": "a-b iso 20160401101112",
		"a-m-m.tar": "a-m tar ", "a-m-1.0.cpio": "a cpio 1.0", "a-20160401.tar": "a tar 20160401",
		"a-b-m.rootfs.spdx.tar.zst": "", "a-b-m.rootfs-20240501101112.spdx.tar.zst": "", "a-b-m.rootfs-dbg.tar.gz": "", "a-b-m.rootfs-20240501101112-dbg.tar.gz": "",
		"a-b-m-20160401101112-dbg.rootfs.tar.gz": "", "a-b-m.manifest": "", "modules-m.tgz": "", "bzImage": "", ".tar": "", "a-b-m.tar.lzo": "", "-m.tar": "",
	} {
		got := ""
		if a, ok := readArtifact(name, "m"); ok {
			got = a.image + " " + a.kind + " " + a.version
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestChoice has more than one machine or image.
func TestChoice(t *testing.T) {
	two := with(withTar(vmware()), scarthgap(), below(images+"vmware/", "core-image-minimal-vmware.tar.gz"))
	for _, tt := range []struct {
		name  string
		files map[string]string
		q     Query
		want  string // machine and image, or the error with its remedy
	}{
		{"MACHINE and target", two, Query{LikelyMachine: "vmware", LikelyImages: []string{"packagegroup-caros", "core-image-minimal", "core-image-caros"}}, "vmware core-image-minimal (MACHINE of local_conf, the last bitbake target that is an image)"},
		{"the declaration's choice", two, Query{Machine: "vmware", Image: "core-image-caros", LikelyMachine: "x", LikelyImages: []string{"core-image-minimal"}}, "vmware core-image-caros ()"},
		{"local.conf of the stage", with(two, map[string]string{"REDO/build/conf/local.conf": "MACHINE ?= \"vmware\"\nMACHINE = \"qemux86-64\"\n"}), Query{}, "qemux86-64 core-image-minimal (MACHINE of local.conf)"},
		{"two machines", two, Query{}, `files of several machines are deployed: qemux86-64, vmware; choose one: <deploy machine="qemux86-64"/> in the disk`},
		{"two images", two, Query{Machine: "vmware"}, `several images are deployed for machine vmware: core-image-caros, core-image-minimal; choose one: <deploy image="core-image-caros"/> in the disk`},
		{"no such machine", two, Query{Machine: "pc"}, `nothing is deployed for machine "pc"; there is: qemux86-64, vmware; write <deploy machine="qemux86-64"/> in the disk, or MACHINE = "pc" in local_conf`},
		{"MACHINE is not there", two, Query{LikelyMachine: "pc"}, `nothing is deployed for machine "pc"; there is: qemux86-64, vmware; write <deploy machine="qemux86-64"/> in the disk, or MACHINE = "pc" in local_conf`},
		{
			"a directory that is named after no machine", below("out/", "a-m.tar.gz", "bzImage"),
			Query{Dir: "/out", Machine: "pc"},
			`nothing is deployed for machine "pc"; there is: /out; write <deploy dir="/out"/> in the disk, or MACHINE = "pc" in local_conf`,
		},
		{
			"two such directories", with(below("out-1/", "a-m.tar.gz"), below("out-2/", "a-m.tar.gz")),
			Query{Dir: "/out-*"},
			`files of several machines are deployed: /out-1, /out-2; choose one: <deploy dir="/out-1"/> in the disk`,
		},
		{"no such image", two, Query{Machine: "vmware", Image: "x"}, `no root file system of image "x" is deployed for machine vmware; there is: core-image-caros, core-image-minimal; build it: <bitbake_target>x</bitbake_target>`},
		{"nothing", map[string]string{"etc/x": ""}, Query{}, `nothing is deployed: there is no directory /REDO/build/tmp/deploy/images or /REDO/build/tmp-*/deploy/images; run bitbake for an image in the stage; with another TMPDIR or DEPLOY_DIR, write <deploy dir="/DIRECTORY/deploy/images"/> in the disk`},
		{"no such directory", two, Query{Dir: "/nosuch"}, `nothing is deployed: there is no directory /nosuch; images are deployed in /REDO/build/tmp/deploy/images: write <deploy dir="/REDO/build/tmp/deploy/images"/> in the disk`},
		{"nothing in such a directory", map[string]string{"etc/x": ""}, Query{Dir: "/nosuch"}, `nothing is deployed: there is no directory /nosuch; run bitbake for an image in the stage: it has no directory deploy/images`},
		{"a long list", below(images+"m/", "a-m.tar.gz", "b-m.tar.gz", "c-m.tar.gz", "d-m.tar.gz", "e-m.tar.gz", "f-m.tar.gz", "g-m.tar.gz", "h-m.tar.gz", "i-m.tar.gz", "j-m.tar.gz"), Query{}, `several images are deployed for machine m: a, b, c, d, e, f, g, h and 2 more; choose one: <deploy image="a"/> in the disk`},
		{"an empty directory", map[string]string{images + "vmware/": ""}, Query{}, `nothing is deployed: /REDO/build/tmp/deploy/images is empty; run bitbake for an image in the stage`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := Find(stage(t, tt.files), tt.q)
			if got := told(d, err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func told(d *Deployed, err error) string {
	if err != nil {
		e := err.(*Error)
		return e.Text + "; " + e.Remedy
	}
	return d.Machine + " " + d.Image + " (" + d.Why + ")"
}

// TestMissing expects the setting that would deploy the missing file, in the syntax
// of the release.
func TestMissing(t *testing.T) {
	bare := below(images+"m/", "bzImage-m-20160101000000.bin", "modules-m.tgz")
	empty := below(images+"m/", "README")
	layer := func(text string) map[string]string {
		return map[string]string{"REDO/source/poky/meta/conf/layer.conf": text}
	}
	for _, tt := range []struct {
		files  map[string]string
		kind   Kind
		remedy string
	}{
		{with(bare, layer("")), RootFS, `have it deployed with -a 'IMAGE_FSTYPES_append = " tar.gz"'`},
		{with(bare, layer(`LAYERSERIES_CORENAMES = "dunfell"`)), RootFS, `have it deployed with -a 'IMAGE_FSTYPES_append = " tar.gz"'`},
		{with(bare, layer(`LAYERSERIES_CORENAMES = "scarthgap"`)), RootFS, `have it deployed with -a 'IMAGE_FSTYPES:append = " tar.gz"'`},
		{bare, RootFS, `have it deployed with -a 'IMAGE_FSTYPES:append = " tar.gz"'`},
		{ // the core layer is not the first that is called meta
			with(bare, layer(`LAYERSERIES_CORENAMES = "scarthgap"`), map[string]string{"REDO/source/other/meta/conf/layer.conf": ""}), RootFS,
			`have it deployed with -a 'IMAGE_FSTYPES:append = " tar.gz"'`,
		},
		{with(bare, layer("")), ISO, `have it deployed with -a 'IMAGE_FSTYPES_append = " live"'`},
		{empty, Kernel, `have it deployed with -a 'EXTRA_IMAGEDEPENDS += "virtual/kernel"'`},
		{empty, Modules, `have it deployed with -a 'MODULE_TARBALL_DEPLOY = "1"'`},
		{bare, UBoot, `have it deployed with -a 'EXTRA_IMAGEDEPENDS += "u-boot"'`},
		{bare, SystemdBoot, `have it deployed with -a 'EXTRA_IMAGEDEPENDS += "systemd-boot"'`},
		{bare, GRUB, `have it deployed with -a 'EXTRA_IMAGEDEPENDS += "grub-efi"'`},
		{bare, Stub, `have it deployed with -a 'EXTRA_IMAGEDEPENDS += "systemd-boot"'`},
		{bare, DTB, `have it deployed with -a 'KERNEL_DEVICETREE = "BOARD.dtb"'`},
		{bare, Bootscript, "write one into the declaration, as <bootscript>: it needs no tool"},
	} {
		d, err := Find(stage(t, tt.files), Query{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.File(tt.kind)
		if !IsMissing(err) {
			t.Errorf("%s: %v", tt.kind, err)
			continue
		}
		e := err.(*Error)
		if remedy, looked, _ := strings.Cut(e.Remedy, " (looked for "); remedy != tt.remedy || looked == "" {
			t.Errorf("%s: got %q, want %q", tt.kind, e.Remedy, tt.remedy)
		}
		if !strings.Contains(e.Text, "is deployed in /"+images+"m; there is: ") {
			t.Errorf("%s: %s", tt.kind, e.Text)
		}
	}
}

// workDir is where bitbake works.
const workDir = "REDO/build/tmp" + "/work"

// TestWorkDirectory takes a root file system that was never put into an archive.
func TestWorkDirectory(t *testing.T) {
	files := with(below(images+"qemux86-64/", "bzImage"), below(workDir+"/qemux86_64-poky-linux/core-image-minimal/1.0/rootfs/", "etc/hostname", "bin/sh"),
		below(workDir+"/qemuarm64-poky-linux/core-image-full/1.0/rootfs/", "etc/hostname"),
		below(workDir+"/qemux86_64-poky-linux/core-image-minimal-initramfs/1.0/rootfs/", "etc/hostname"))
	d, err := Find(stage(t, with(files, below(workDir+"/qemux86_64-poky-linux/core-image-minimal/1.0-r9/rootfs/", "etc/x"), below(workDir+"/qemux86_64-poky-linux/core-image-minimal/1.0-r10/rootfs/", "etc/x"))), Query{})
	if err != nil || d.Image != "core-image-minimal" {
		t.Fatalf("%v, %v", d, err)
	}
	if f, err := d.File(RootFS); err != nil || f.Path != workDir+"/qemux86_64-poky-linux/core-image-minimal/1.0-r10/rootfs" {
		t.Errorf("of several versions: got %+v, %v", f, err)
	}
	if d, err = Find(stage(t, files), Query{}); err != nil {
		t.Fatal(err)
	}
	f, err := d.File(RootFS)
	if err != nil || !f.Unowned || f.Path != workDir+"/qemux86_64-poky-linux/core-image-minimal/1.0/rootfs" || !strings.Contains(f.Note, "IMAGE_FSTYPES:append") {
		t.Errorf("got %+v, %v", f, err)
	}
}

// bzImage is one whose header names its version at the given offset.
func bzImage(version string) []byte {
	b := make([]byte, 0x800)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20E:], 0x400)
	copy(b[0x600:], version+" (oe-user@oe-host) #1 SMP\x00")
	return b
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func TestKernelVersion(t *testing.T) {
	uImage := make([]byte, 128)
	binary.BigEndian.PutUint32(uImage, 0x27051956)
	copy(uImage[32:], "Linux-4.4.0-rc1+")
	poky := slices.Clone(uImage)
	copy(poky[32:], "Poky/4.4/board\x00\x00")
	says := "\x00Linux version 6.6.21-yocto-standard (oe-user@oe-host) #1\x00"
	for name, tt := range map[string]struct{ image, want string }{
		"bzImage":             {string(bzImage("4.4.3-yocto-standard")), "4.4.3-yocto-standard"},
		"bzImage, no pointer": {string(bzImage("x")), ""},
		"Image":               {"ARM\x64" + strings.Repeat("x", 5000) + says, "6.6.21-yocto-standard"},
		"Image.gz":            {gzipped("x" + says), "6.6.21-yocto-standard"},
		"zImage":              {"\x1f\x8b\x08nonsense" + strings.Repeat("y", 99) + gzipped(strings.Repeat("z", 9999)+says) + "trailer", "6.6.21-yocto-standard"},
		"uImage":              {string(uImage), "4.4.0-rc1+"},
		"uImage of poky":      {string(poky), ""},
		"a format string":     {"Linux version %s (%s)", ""},
		"nothing":             {"", ""},
		"short":               {"\x27\x05\x19\x56", ""},
	} {
		if got := KernelVersion(strings.NewReader(tt.image), int64(len(tt.image))); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzKernelVersion(f *testing.F) {
	f.Add(bzImage("4.4.3"))
	f.Add([]byte(gzipped("Linux version 1.2 ")))
	f.Add([]byte("Linux version 1.2.3-x "))
	f.Fuzz(func(t *testing.T, b []byte) {
		v := KernelVersion(bytes.NewReader(b), int64(len(b)))
		if v != "" && version().FindString(v) != v || strings.ContainsAny(v, "/ \x00\x1b") {
			t.Errorf("version %q", v)
		}
		KernelVersion(bytes.NewReader(b), int64(len(b))*2) // a wrong size
	})
}

// FuzzNames takes arbitrary file names.
func FuzzNames(f *testing.F) {
	for name := range with(vmware(), lamobo(), scarthgap(), arm64()) {
		f.Add(name[strings.LastIndexByte(name, '/')+1:], "vmware")
	}
	f.Fuzz(func(t *testing.T, name, machine string) {
		if a, ok := readArtifact(name, machine); ok && (a.image == "" || a.file != name) {
			t.Errorf("%q: %+v", name, a)
		}
		if strings.Contains(name+machine, "/") || name == "" || machine == "" || strings.Trim(name, ".") == "" || strings.Trim(machine, ".") == "" {
			return
		}
		d, err := Find(stage(t, map[string]string{images + machine + "/" + name: "x"}), Query{})
		if err != nil {
			return
		}
		for _, k := range Kinds() {
			if all, err := d.Files(k); err == nil && len(all) == 0 {
				t.Errorf("%q: no %s and no error", name, k)
			}
		}
	})
}
