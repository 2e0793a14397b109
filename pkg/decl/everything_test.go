// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
)

func TestParseEverything(t *testing.T) {
	want := &Declaration{
		Files:   []string{"a.xml"},
		Remotes: []Remote{{Name: "yocto", BaseURL: "git://git.example.org/"}, {Name: "ssh", BaseURL: "git@example.org:"}},
		Base:    &BaseLayer{Remote: "yocto", Revision: "abc", Repo: "poky"},
		Layers: []GitLayer{
			{Name: "meta-oe", Remote: "ssh", Revision: "refs/tags/x", Repo: "a/b.git", Subdirs: []string{"meta-a", "meta-b"}},
		},
		LocalConf: []LocalConf{{Text: "\nA = \"1\" & B = \"<&>\"\n"}},
		Stages: []*Stage{
			{ID: "base", Dirs: []string{"/a"}, Caches: []Cache{{Path: "/var/cache", ID: "c"}}, Actions: wantActions()},
			{ID: "deb", Dirs: []string{"/a"}, Network: "none", Bootstrap: &Bootstrap{
				Suite: "bookworm", Arch: "armhf", Variant: "essential", Components: []string{"main", "contrib"},
				Packages: []string{"vim", "libc6:i386"}, Keyring: "keys/a.gpg", Mirror: "https://deb.example.org/debian",
				SecurityMirror: "none", Snapshot: "20250101T000000Z",
			}},
			{ID: "top", Dirs: []string{"/a"}, Prestage: "base"},
		},
		Disks: []*Disk{wantCard(), {ID: "min", Table: "gpt", Partitions: []*Partition{{Size: bytesize.Partition{Bytes: 1 << 20}}}}, wantFull()},
	}
	if diff := cmp.Diff(parse(t, everything), want, ignoreSpans, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("declaration (-got +want):\n%s", diff)
	}
}

func wantActions() []Action {
	return []Action{
		&From{Argument: Argument{Text: "registry.example.org:5000/a/b:1.0"}, Image: "registry.example.org:5000/a/b:1.0"},
		&Run{Argument: Argument{Text: "a &&\nb"}},
		&Run{Argument: Argument{Text: `["a b", "<"]`}, Argv: []string{"a b", "<"}},
		&Run{Argument: Argument{Text: `[ "$A" = b ]`}},
		&Run{Argument: Argument{Text: `[[ $A = b ]]`}},
		&Run{Argument: Argument{Text: `[ "a" ]`}, Argv: []string{"a"}},
		&Copy{Argument: Argument{Text: "--chown=0:0 --chmod=0755 /etc/passwd dir/"}, Add: true, Chown: "0:0", Chmod: "0755", Sources: []string{"/etc/passwd"}, Dest: "dir/"},
		&Copy{Argument: Argument{Text: `["a b", "/c d"]`}, Add: true, Sources: []string{"a b"}, Dest: "/c d"},
		&Copy{Argument: Argument{Text: "--from=deb a b /c/"}, FromStage: "deb", Sources: []string{"a", "b"}, Dest: "/c/"},
		&Env{
			Argument: Argument{Text: "A=1 B=\"2 3\" C='$4' D=$A:${B} E=a\\ b \\\n\t\t\tF=\"\\\"\\$\\n\" G="},
			Vars: []EnvVar{
				{Name: "A", Value: "1"},
				{Name: "B", Value: "2 3"},
				{Name: "C", Value: "$4"},
				{Name: "D", Value: "$A:${B}", Expand: true},
				{Name: "E", Value: "a b"},
				{Name: "F", Value: `"$\n`},
				{Name: "G"},
			},
		},
		&Env{Argument: Argument{Text: `A b  "c"`}, Vars: []EnvVar{{Name: "A", Value: "b  c"}}},
		&Workdir{Argument: Argument{Text: "/src"}, Dir: "/src"},
		&User{Argument: Argument{Text: "www-data:33"}, Name: "www-data:33"},
		&Reposync{},
		&Reposync{Argument: Argument{Text: "all"}},
		&Reposync{},
		&CreateBBLayers{},
		&CreateLocalConf{Argument: Argument{Text: "now"}},
		&Bitbake{Argument: Argument{Text: "a b"}, Targets: []string{"a", "b"}, Command: "populate_sdk"},
	}
}

func wantCard() *Disk {
	return &Disk{
		ID: "card", Stage: "top", Table: "mbr", Size: 8 << 30,
		BIOS:  &BIOS{Stage: "deb"},
		Blobs: []Blob{{Stage: "deb", From: "/u-boot.bin", At: 8 << 10, Check: "sunxi-spl"}},
		Partitions: []*Partition{
			{
				Name: "boot", Type: "0c", FS: "fat32", Label: "BOOT", Start: 1 << 20, Size: bytesize.Partition{Bytes: 128 << 20}, Active: true, Serial: ptr(uuid.Serial(0xABCD0123)),
				Items: Items{
					&CopyItem{From: "/boot/vmlinuz-*", To: "/vmlinuz"},
					&CopyItem{Stage: "deb", From: "/x", To: "/y/"},
					&FileItem{To: "/extlinux/extlinux.conf", Mode: 0o644, Text: "default caros\n  append ro\n"},
					&FileItem{To: "/empty", Mode: 0o600},
					&InitrdItem{Ramdisk: Ramdisk{Modules: []string{"ext4", "ahci"}}, Stage: "deb", To: "/initrd.img"},
					&LoaderItem{Menu: Menu{Kernel: "/vmlinuz", Initrd: "/initrd.img", Cmdline: "root=LABEL=X ro"}},
					&LoaderItem{Menu: Menu{Kernel: "/k", Title: "CarOS", Timeout: 5 * time.Second}},
				},
			},
			{FS: "ext4", Size: bytesize.Partition{Fit: true, Bytes: 512 << 20}, Path: "/", Stage: "deb", Grow: true, UUID: &someUUID},
		},
		VM:      &VM{Product: "CarOS", Vendor: "V", Version: "1", Cores: 2, Memory: 8 << 30, NICs: ptr(3), Firmware: "efi"},
		Expects: []Expect{{Console: "login:", Within: 5 * time.Minute}, {Console: "ready"}},
	}
}

func wantFull() *Disk {
	return &Disk{
		ID: "full", Table: "gpt", Align: 4 << 20, GUID: &someUUID,
		Partitions: []*Partition{
			{
				Name: "boot", FS: "fat16", Size: bytesize.Partition{Bytes: 64 << 20}, Hybrid: true, Attributes: []string{"legacy-boot", "no-auto"},
				Items: Items{
					&ExtlinuxItem{Menu: Menu{Kernel: "/zImage", Initrd: "/initrd.img", Cmdline: "ro", Title: "T", Timeout: 3 * time.Second}, To: "/extlinux/extlinux.conf", FDT: "/b.dtb"},
					&ExtlinuxItem{Menu: Menu{Kernel: "/k"}, To: "/e.conf"},
					&BootscriptItem{To: "/boot.scr", Name: "boot.scr", Text: "setenv a b\n"},
					&BootscriptItem{To: "/s.scr", Name: "n", Text: "x"},
					&UKIItem{To: "/EFI/BOOT/BOOTX64.EFI", Stub: "/stub", Kernel: "/boot/vmlinuz-*", Cmdline: "quiet"},
					&UKIItem{Ramdisk: Ramdisk{Modules: []string{"ext4", "nvme"}, Programs: []string{"/sbin/a", "/sbin/b"}, Compression: "zstd"}, To: "/u.efi", Stage: "deb", Stub: "/stub", Kernel: "/k"},
					&InitrdItem{Ramdisk: Ramdisk{Programs: []string{"/usr/sbin/veritysetup"}, Compression: "gzip"}, To: "/i", Kernel: "6.1.0"},
				},
			},
			{Name: "root", FS: "squashfs", Size: bytesize.Partition{Fit: true}, Path: "/r*.tar", Compression: "xz"},
			{Name: "hash", FS: "verity", Size: bytesize.Partition{Fit: true}, Of: "root"},
			{Name: "old", FS: "ext4", Size: bytesize.Partition{Fit: true}, Profile: "compat"},
			{FS: "swap", Size: bytesize.Partition{Bytes: 1 << 30}, Label: "SWAP"},
			{Size: bytesize.Partition{Fit: true}, From: "/x.img"},
		},
		VM: &VM{
			Name: "n", ProductURL: "https://a", VendorURL: "https://b", Network: "LAN", Controller: "ahci",
			Hardware: []int{13, 14}, Guest: "debian11_64Guest", DataDisks: []int64{1 << 30, 2 << 30},
			Annotation: "Two\nlines.", EULA: "One.",
		},
	}
}
