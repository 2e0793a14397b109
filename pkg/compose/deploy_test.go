// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// packed is a gzipped tar archive with files of uid 7.
func packed(t *testing.T, content map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, p := range slices.Sorted(maps.Keys(content)) {
		h := &tar.Header{Name: "./" + p, Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 7, Gid: 8, Size: int64(len(content[p]))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content[p]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const images = "REDO/build/tmp/deploy/images/"

// workTop is the directory in which bitbake works.
const workTop = "REDO/build/tmp" + "/work"

// deployedStage has files that bitbake deploys for a machine, and others.
func deployedStage(t *testing.T, more map[string]string) heldRoot {
	t.Helper()
	root := map[string]string{"etc/hostname": "caros\n", "bin/su": "su", "usr/lib/os-release": "ID=yocto\n"}
	all := map[string]string{
		images + "vmware/bzImage": "KERNEL", images + "vmware/core-image-caros-vmware.tar.gz": packed(t, root),
		images + "vmware/modules-vmware.tgz":  packed(t, map[string]string{"lib/modules/4.4.3/modules.builtin": "kernel/fs/ext4/ext4.ko\nkernel/d/vmw_pvscsi.ko\n"}),
		images + "vmware/systemd-bootx64.efi": "LOADER",
	}
	maps.Copy(all, more)
	return files(t, all)
}

const deployDisk = `<disk id="d" table="gpt" size="256M">
	<partition name="boot" fs="fat32" size="64M">
		<copy from="deploy:kernel" to="/vmlinuz"/>
		<copy from="deploy:systemd-boot" to="/EFI/BOOT/"/>
		<copy from="deploy:dtb" optional="yes" to="/dtb/"/>
		<initrd from="deploy:modules" optional="yes" to="/initrd.img" modules="ext4 vmw_pvscsi? nvme?"/>
		<loader title="CarOS" cmdline="root=PARTUUID={partuuid:root}"/>
	</partition>
	<partition name="root" fs="ext4" size="rest" path="deploy:rootfs"/>
</disk>`

// TestDeployed makes a disk from deployed files, with a kernel that needs no
// initrd.
func TestDeployed(t *testing.T) {
	img, err := composed(t, deployDisk, map[string]RootFS{"s": deployedStage(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	boot := readFAT(t, img, 0)
	want := map[string]string{
		"vmlinuz": "KERNEL", "EFI/BOOT/BOOTX64.EFI": "LOADER", "loader/loader.conf": "default d.conf\ntimeout 0\n",
		"loader/entries/d.conf": "title CarOS\nlinux /vmlinuz\noptions root=PARTUUID=" + img.Layout.Partitions[1].PartUUID + "\n",
	}
	if diff := cmp.Diff(want, boot); diff != "" {
		t.Errorf("boot partition (-want +got):\n%s", diff)
	}
	r, _ := part(img, 1)
	fs, err := ext4.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	root, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	e, err := root.Lookup("/bin/su")
	if err != nil || e.UID != 7 || e.GID != 8 || e.Mode != tree.Regular|0o4755 {
		t.Errorf("/bin/su: %+v, %v", e, err)
	}
	// The other files of the stage do not matter.
	again, err := composed(t, deployDisk, map[string]RootFS{"s": deployedStage(t, map[string]string{workTop + "/x": "x"})})
	if err != nil || again.Layout.GUID != img.Layout.GUID {
		t.Errorf("another file in the stage: another disk, %v", err)
	}
}

// TestDeployedGRUB has the menu in the place where the image's own GRUB looks for
// it.
func TestDeployedGRUB(t *testing.T) {
	text := strings.Replace(deployDisk, "deploy:systemd-boot", "deploy:grub-efi", 1)
	img, err := composed(t, text, map[string]RootFS{"s": deployedStage(t, map[string]string{images + "vmware/grub-efi-bootx64.efi": "GRUB"})})
	if err != nil {
		t.Fatal(err)
	}
	boot := readFAT(t, img, 0)
	if boot["EFI/BOOT/BOOTX64.EFI"] != "GRUB" || !strings.Contains(boot["EFI/BOOT/grub.cfg"], "\tlinux /vmlinuz root=PARTUUID="+img.Layout.Partitions[1].PartUUID+"\n") {
		t.Errorf("boot partition %q", boot)
	}
}

// TestDeployedOnMBR has the PARTUUID of an mbr disk, and the machine chosen.
func TestDeployedOnMBR(t *testing.T) {
	text := strings.NewReplacer(`table="gpt"`, `table="mbr"`, `<partition name="boot"`, `<deploy machine="vmware"/><partition name="boot"`).Replace(deployDisk)
	img, err := composed(t, text, map[string]RootFS{"s": deployedStage(t, map[string]string{images + "other/bzImage": "OTHER"})})
	if err != nil {
		t.Fatal(err)
	}
	id := img.Layout.Partitions[1].PartUUID
	if entry := readFAT(t, img, 0)["loader/entries/d.conf"]; len(id) != 11 || !strings.Contains(entry, "root=PARTUUID="+id+"\n") {
		t.Errorf("PARTUUID %s, entry:\n%s", id, entry)
	}
}

// TestDeployedModules has a kernel whose drivers are modules: in the archive, where
// depmod has not run, or in the root file system.
func TestDeployedModules(t *testing.T) {
	busyboxes := files(t, map[string]string{"usr/lib/b/amd64": busybox()})
	text := strings.Replace(deployDisk, `optional="yes" to="/initrd.img"`, `optional="yes" to="/initrd.img" busybox="/usr/lib/b/*" busybox-stage="tools"`, 1) + `<buildstage id="tools"><action>FROM x</action></buildstage>`
	m := "lib/modules/4.4.3/kernel/"
	for name, tgz := range map[string]map[string]string{
		"archive": {m + "fs/ext4.ko": module("depends=mbcache,crc16"), m + "fs/mbcache.ko": module("x=y"), m + "lib/crc16.ko": module("")},
		"list":    {m + "fs/ext4.ko": module(""), "lib/modules/4.4.3/modules.dep": "kernel/fs/ext4.ko:\n"},
	} {
		stage := deployedStage(t, map[string]string{images + "vmware/modules-vmware.tgz": packed(t, tgz)})
		img, err := composed(t, text, map[string]RootFS{"s": stage, "tools": busyboxes})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		boot := readFAT(t, img, 0)
		if !strings.Contains(boot["loader/entries/d.conf"], "initrd /initrd.img\n") || len(boot["initrd.img"]) == 0 {
			t.Errorf("%s: no initrd: %s", name, boot["loader/entries/d.conf"])
		}
		z, err := gzip.NewReader(strings.NewReader(boot["initrd.img"]))
		if err != nil {
			t.Fatal(err)
		}
		cpio, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if name == "archive" && !strings.Contains(string(cpio), "crc16\nmbcache\next4\n") {
			t.Errorf("no order of modules")
		}
	}
}

// module is an object file with a section .modinfo.
func module(info string) string {
	const header, sections = 64, 3
	names := "\x00.modinfo\x00.shstrtab\x00"
	data := info + "\x00" + names
	b := make([]byte, header)
	copy(b, "\x7fELF\x02\x01\x01")
	put := func(b []byte, at, n int, v uint64) {
		for i := range n {
			b[at+i] = byte(v >> (8 * i))
		}
	}
	put(b, 16, 2, 1)
	put(b, 18, 2, 62)
	put(b, 20, 4, 1)
	put(b, 40, 8, uint64(header+len(data)))
	put(b, 52, 2, header)
	put(b, 58, 2, 64)
	put(b, 60, 2, sections)
	put(b, 62, 2, 2)
	table := make([]byte, sections*64)
	for i, s := range []struct{ name, kind, off, size int }{{}, {1, 1, header, len(info) + 1}, {10, 3, header + len(info) + 1, len(names)}} {
		put(table, i*64, 4, uint64(s.name))
		put(table, i*64+4, 4, uint64(s.kind))
		put(table, i*64+24, 8, uint64(s.off))
		put(table, i*64+32, 8, uint64(s.size))
	}
	return string(b) + data + string(table)
}

// TestNotesWhatIsTaken names the machine, the image and the files.
func TestNotesWhatIsTaken(t *testing.T) {
	more := map[string]string{images + "other/bzImage": "OTHER"}
	text := strings.Replace(deployDisk, `<partition name="boot"`, `<deploy machine="vmware"/><partition name="boot"`, 1)
	_, notes, err := composedNoting(t, text, map[string]RootFS{"s": deployedStage(t, more)})
	if err != nil {
		t.Fatal(err)
	}
	if want := "disk d: core-image-caros of machine vmware: core-image-caros-vmware.tar.gz, kernel bzImage, systemd-boot systemd-bootx64.efi, modules modules-vmware.tgz"; !slices.Contains(notes, want) {
		t.Errorf("got %q, want %s", notes, want)
	}
}

// TestTakenTrees names only the device trees that the disk has.
func TestTakenTrees(t *testing.T) {
	more := map[string]string{images + "vmware/a.dtb": "a", images + "vmware/vmware.dtb": "own", images + "vmware/b.dtb": "b"}
	text := strings.Replace(deployDisk, `<copy from="deploy:dtb" optional="yes" to="/dtb/"/>`, `<copy from="deploy:dtb" to="/dtb"/>`, 1)
	_, notes, err := composedNoting(t, text, map[string]RootFS{"s": deployedStage(t, more)})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(notes, "\n")
	if !strings.Contains(all, "vmware.dtb") || strings.Contains(all, "a.dtb") || strings.Contains(all, "b.dtb") {
		t.Errorf("the disk has one device tree:\n%s", all)
	}
}

// TestRootKernel takes the kernel of the root file system, and only if none is
// deployed.
func TestRootKernel(t *testing.T) {
	stage := deployedStage(t, map[string]string{
		images + "vmware/core-image-caros-vmware.tar.gz": packed(t, map[string]string{"boot/bzImage-4.4.3": "ROOT'S", "etc/x": ""}),
	})
	b := tree.NewBuilder(1700000000)
	for _, e := range stage.tree.Entries {
		if e.Name() != "bzImage" && e.Path != "" {
			if err := b.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	without, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	for want, root := range map[string]heldRoot{"KERNEL": stage, "ROOT'S": {without}} {
		img, err := composed(t, deployDisk, map[string]RootFS{"s": root})
		if err != nil {
			t.Fatal(err)
		}
		if got := readFAT(t, img, 0)["vmlinuz"]; got != want {
			t.Errorf("got kernel %q, want %q", got, want)
		}
	}
}

// TestWorkDirectory gives root the files of the user who ran bitbake.
func TestWorkDirectory(t *testing.T) {
	stage := deployedStage(t, map[string]string{images + "other/bzImage": "x"})
	var kept []tree.Entry
	for _, e := range stage.tree.Entries {
		if e.Name() != "core-image-caros-vmware.tar.gz" {
			kept = append(kept, e)
		}
	}
	b := tree.NewBuilder(1700000000)
	if err := b.AddTree("", &tree.Tree{Entries: kept}); err != nil {
		t.Fatal(err)
	}
	const top = workTop + "/vmware-caros-linux/core-image-caros/1.0-r0/rootfs"
	for _, e := range []tree.Entry{
		{Path: top, Mode: tree.Dir | 0o755, UID: 1000, GID: 1001},
		{Path: top + "/etc", Mode: tree.Dir | 0o755, UID: 1000, GID: 1001},
		{Path: top + "/etc/x", Mode: tree.Regular | 0o4755, UID: 1000, GID: 5},
		{Path: top + "/etc/y", Mode: tree.Regular | 0o600, UID: 3, GID: 1001},
	} {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	all, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	img, err := composed(t, strings.Replace(deployDisk, `<partition name="boot"`, `<deploy machine="vmware"/><partition name="boot"`, 1), map[string]RootFS{"s": heldRoot{all}})
	if err != nil {
		t.Fatal(err)
	}
	r, _ := part(img, 1)
	fs, err := ext4.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	root, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]uint32{"": {0, 0}, "etc/x": {0, 5}, "etc/y": {3, 0}} {
		if e, err := root.Lookup(name); err != nil || e.UID != want[0] || e.GID != want[1] {
			t.Errorf("/%s: %+v, %v, want owner %v", name, e, err, want)
		}
	}
}

func TestDeployKinds(t *testing.T) {
	var kinds []string
	for _, k := range yocto.Kinds() {
		kinds = append(kinds, string(k))
	}
	if diff := cmp.Diff(kinds, decl.DeployKinds); diff != "" {
		t.Errorf("kinds of pkg/yocto and of the language differ (-yocto +decl):\n%s", diff)
	}
}
