// SPDX-License-Identifier: MPL-2.0

//go:build integration

package integration

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// yoctoBoot is a system of Debian's that is laid out as Yocto deploys one, and
// the declaration whose bitbake (a stand-in) deploys it.
type yoctoBoot struct {
	file    string // name of the declaration, as CarOS names its own
	machine string
	image   string // what bitbake is to make
	layout  string // of as-yocto
	kernel  string // type of its file
	formats string // of the root file system
	system  string // stages; the last is named system
	files   string // actions that bring more files to the stage that lays it out
	before  string // commands there before as-yocto
	after   string // and after it
	base    string // the declaration that the stages start from
}

// pcSystem is a Debian with the kernel that a package brings. What no virtual
// machine needs is taken out of its modules.
func pcSystem(kernel string) string {
	return `<buildstage id="system"><bootstrap suite="bookworm" variant="minbase" packages="systemd-sysv udev dbus kmod iproute2 e2fsprogs fdisk procps"/>
		<action>ENV INITRD=No</action>
		<action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends ` + kernel + ` &amp;&amp; apt-get clean &amp;&amp; rm -rf /var/lib/apt/lists/*</action>
		<action>RUN cd /lib/modules/*/kernel &amp;&amp; rm -rf sound drivers/bluetooth drivers/comedi drivers/gpu drivers/hid drivers/hwmon drivers/iio drivers/infiniband drivers/input \
			drivers/isdn drivers/leds drivers/media drivers/mfd drivers/mtd drivers/net/ethernet drivers/net/usb drivers/net/wan drivers/net/wireless drivers/platform drivers/staging \
			drivers/video &amp;&amp; depmod $(ls /lib/modules)</action>
		` + yoctoReport + `</buildstage>`
}

// yoctoReport makes a system tell how it is, and mounts as Yocto's do.
const yoctoReport = `<action>ADD boot-report.service /etc/systemd/system/boot-report.service</action>
		<action>ADD --chmod=0755 boot-report /usr/local/sbin/boot-report</action>
		<action>ADD slow.conf /etc/systemd/system.conf.d/slow.conf</action>
		<action>RUN systemctl enable boot-report.service; printf '/dev/root / auto defaults 1 1\n' >/etc/fstab; echo testbox >/etc/hostname</action>`

// declare writes the declaration, of the shape of CarOS's own, and its parts.
func (y yoctoBoot) declare(t *testing.T, w *world) {
	t.Helper()
	w.file(t, "slow.conf", "# A machine that is played by a busy one takes its time.\n[Manager]\nDefaultDeviceTimeoutSec=15min\nDefaultTimeoutStartSec=15min\n")
	for _, name := range []string{"boot-report", "boot-report.service"} {
		w.copyOf(t, "testdata/boot/"+name)
	}
	for _, name := range []string{"as-yocto", "as-yocto-card"} {
		w.copyOf(t, "testdata/yocto/"+name)
	}
	base := ""
	if y.base != "" {
		base = fmt.Sprintf(" base=%q", y.base)
	}
	w.file(t, y.file, fmt.Sprintf(`<redo%[1]s>
	<layer_declaration>
		<remote baseurl="%[2]s/git/" name="yocto"/>
		<baselayer repo="poky" revision="master" remote="yocto"/>
	</layer_declaration>
	<local_conf><![CDATA[
MACHINE = "%[3]s"
DISTRO = "caros"
DL_DIR = "/REDO/download"
]]></local_conf>
	%[4]s
	<buildstage id="helper"><bootstrap suite="bookworm" variant="minbase" packages="cpio zstd kmod e2fsprogs u-boot-tools systemd-boot-efi"/></buildstage>
	<buildstage id="prepared"><prestage>helper</prestage>
		<action>ADD --chmod=0755 as-yocto /usr/bin/as-yocto</action>
		<action>ADD --chmod=0755 as-yocto-card /usr/bin/as-yocto-card</action>
		<action>COPY --from=system / /srv/root/</action>%[9]s
		<action>RUN %[11]sas-yocto %[5]s %[3]s %[6]s /srv/root /srv/deploy/%[6]s %[7]s %[8]s%[10]s &amp;&amp; rm -rf /srv/root</action></buildstage>
	<buildstage id="010-ubuntu"><prestage>prepared</prestage><reposync/></buildstage>
	<buildstage id="015-reposync"><prestage>010-ubuntu</prestage><reposync/>
		<action>RUN install -d /REDO/build</action><action>RUN install -d /REDO/download</action></buildstage>
	<buildstage id="020-build-core-image"><prestage>015-reposync</prestage><bitbake_target>%[6]s</bitbake_target></buildstage>
	<buildstage id="030-build-packages"><prestage>020-build-core-image</prestage><reposync/><bitbake_target>packagegroup-caros</bitbake_target></buildstage>
</redo>`, base, w.work, y.machine, y.system, y.layout, y.image, y.kernel, y.formats, y.files, y.after, y.before))
}

// copyOf puts a file of these tests into the work folder.
func (w *world) copyOf(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.file(t, filepath.Base(path), string(data))
}

// build makes the outputs by a shipped declaration that is laid over y's.
func (y yoctoBoot) build(t *testing.T, w *world, overlay string, outs ...string) {
	t.Helper()
	y.declare(t, w)
	args := []string{y.file, overlay, "-B", strings.TrimSuffix(y.file, ".xml")}
	for _, o := range outs {
		args = append(args, "--out", o)
	}
	r, _ := w.build(t, args...)
	t.Logf("%s with %s: built in %v", y.file, overlay, r.took.Round(time.Second))
}

// yoctoVMware is what MACHINE vmware deploys in all of CarOS's releases: "cpio.gz
// live ova", of which "live" brings an ext4 (jethro; ext3 before).
var yoctoVMware = yoctoBoot{
	file: "caros-16.03-vmware.xml", machine: "vmware", image: "core-image-caros", layout: "old", kernel: "bzImage", formats: "cpio.gz ext4",
	system: pcSystem("linux-image-amd64"),
}

// yoctoEFI is of a later release, with a boot loader beside it. Debian's kernel
// for clouds has NVMe and ext4 built in; without its modules for other disks it is
// as one that was configured for this machine.
var yoctoEFI = yoctoBoot{
	file: "new-x86.xml", machine: "genericx86-64", image: "core-image-full-cmdline", layout: "new", kernel: "bzImage", formats: "tar.zst",
	system: pcSystem("linux-image-cloud-amd64"),
	before: "(cd /srv/root/lib/modules/*/kernel/drivers &amp;&amp; rm -r ata block cdrom nvme scsi virtio) &amp;&amp; depmod -b /srv/root $(ls /srv/root/lib/modules) &amp;&amp; ",
	after:  " &amp;&amp; cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi /usr/lib/systemd/boot/efi/linuxx64.efi.stub /srv/deploy/core-image-full-cmdline/",
}

// yoctoARM64 is the same for ARM, with a kernel that has its drivers as modules.
var yoctoARM64 = yoctoBoot{
	file: "new-arm64.xml", base: "arm64.xml", machine: "genericarm64", image: "core-image-full-cmdline", layout: "new", kernel: "Image", formats: "tar.zst",
	system: `<buildstage id="system"><prestage>900-release</prestage>` + yoctoReport + `</buildstage>`,
}

// yoctoCard is what a board with a processor of Allwinner deploys: "ext3 tar.gz
// sunxi-sdimg", the last of which is what carosbuild makes instead.
func yoctoCard(machine, dtb, uboot string) yoctoBoot {
	return yoctoBoot{
		file: "caros-16.04-" + machine + ".xml", base: "sunxi.xml", machine: machine, image: "core-image-caros", layout: "old", kernel: "uImage", formats: "tar.gz ext3",
		system: `<buildstage id="system"><prestage>900-release</prestage>` + yoctoReport + `</buildstage>`,
		files:  "<action>COPY --from=u-boot /usr/lib/u-boot/" + uboot + " /srv/u-boot/</action>",
		after: " &amp;&amp; as-yocto-card " + machine + " /srv/deploy/core-image-caros uImage /srv/root/usr/lib/linux-image-*/" + dtb +
			" /srv/u-boot/u-boot-sunxi-with-spl.bin",
	}
}

// TestYoctoBoot makes disks of what Yocto deploys, and boots them to a login.
// The systems are Debian's: what bitbake would have compiled cannot be had. Of
// the boots only that of the appliance under BIOS is run everywhere, which has
// the most parts: GRUB, an initrd with modules, a root from an archive. "make
// yocto-boots" runs all.
func TestYoctoBoot(t *testing.T) {
	w := newWorld(t)
	w.poky(t)
	all := os.Getenv("CAROSBUILD_YOCTO_BOOTS") != ""
	t.Run("vmware", func(t *testing.T) { bootYoctoVMware(t, w, all) })
	if !all {
		t.Skip("NOT TESTED: other boots of what Yocto deploys (UEFI, a kernel without an initrd, cards, 64-bit ARM): CAROSBUILD_YOCTO_BOOTS is not set, run make yocto-boots")
	}
	t.Run("efi", func(t *testing.T) { bootYoctoEFI(t, w) })
	t.Run("cards", func(t *testing.T) { bootYoctoCards(t, w) })
	t.Run("arm64", func(t *testing.T) { bootYoctoARM64(t, w) })
}

// toLogin boots a disk until somebody could log in.
func toLogin(t *testing.T, w *world, disk, firmware, bus string, more ...string) {
	t.Helper()
	args := append([]string{"boot", disk, "--accel", "tcg", "--firmware", firmware, "--bus", bus, "--timeout", "12m"}, more...)
	r := w.ok(t, program(t), append(args, "--expect", "testbox login: ")...)
	t.Logf("%s, %s, %s: login after %v", disk, firmware, bus, r.took.Round(time.Second))
}

func bootYoctoVMware(t *testing.T, w *world, all bool) {
	yoctoVMware.build(t, w, "yocto-vmware.xml", "caros.vmdk", "caros.ova", "caros.raw")
	w.ok(t, tool(t, "qemu-img"), "check", "caros.vmdk")
	for _, name := range []string{"caros.vmdk", "caros.ova"} {
		w.ok(t, program(t), "inspect", "--check", name)
	}
	raw := filepath.Join(w.work, "caros.raw")
	w.ok(t, tool(t, "e2fsck"), "-fn", partition(t, w, raw, "root"))
	w.ok(t, tool(t, "fsck.vfat"), "-n", partition(t, w, raw, "esp"))
	initrd := "initrd: root=PARTUUID=[0-9a-f-]+ is /dev/sda3"
	toLogin(t, w, "caros.vmdk", "bios", "pvscsi", "--expect", initrd)
	if !all {
		return
	}
	toLogin(t, w, "caros.ova", "bios", "pvscsi", "--expect", initrd)
	toLogin(t, w, "caros.vmdk", "efi", "ahci", "--expect", initrd)
	toLogin(t, w, "caros.ova", "efi", "ahci", "--expect", initrd)
}

// bootYoctoEFI has a kernel that finds its root by itself.
func bootYoctoEFI(t *testing.T, w *world) {
	yoctoEFI.build(t, w, "yocto-efi.xml", "efi.raw")
	if ls := w.ok(t, program(t), "inspect", "efi.raw", "--ls", "1:/").stdout; strings.Contains(ls, "initrd") {
		t.Errorf("there is an initrd:\n%s", ls)
	}
	toLogin(t, w, "efi.raw", "efi", "nvme")
}

// bootYoctoARM64 has a boot loader that the overlay brings.
func bootYoctoARM64(t *testing.T, w *world) {
	tool(t, "qemu-aarch64-static")
	yoctoARM64.build(t, w, "yocto-efi.xml", "arm64.raw")
	m := machine{image: filepath.Join(w.work, "arm64.raw"), format: "raw", board: "virt", size: "4G"}
	checkYoctoBoard(t, m.boot(t, w, 12*time.Minute), map[string]string{"arch": "aarch64", "firmware": "uefi"})
}

// bootYoctoCards boots the card of a board that QEMU plays, and starts that of
// the Lamobo R1 as far as QEMU has one.
func bootYoctoCards(t *testing.T, w *world) {
	tool(t, "qemu-arm-static")
	for _, c := range []struct{ machine, dtb, uboot, spl, disk string }{
		{"orange-pi-pc", "sun8i-h3-orangepi-pc.dtb", "nanopi_neo", "sun8i-h3-nanopi-neo", "orangepi"},
		{"sun7i-a20-lamobo-r1", "sun7i-a20-lamobo-r1.dtb", "Lamobo_R1", "sun7i-a20-lamobo-r1", "lamobo"},
	} {
		yoctoCard(c.machine, c.dtb, c.uboot).build(t, w, "yocto-sunxi.xml", c.disk+".img")
		t.Run("checks of "+c.disk, func(t *testing.T) { checkYoctoCard(t, w, card{name: c.disk, spl: c.spl, dtb: c.dtb}) })
	}
	t.Run("boot", func(t *testing.T) {
		m := machine{image: filepath.Join(w.work, "orangepi.img"), format: "raw", board: "orangepi-pc", size: "2G"}
		checkYoctoBoard(t, m.boot(t, w, 15*time.Minute), map[string]string{"arch": "armv7l", "model": "Xunlong_Orange_Pi_PC"})
	})
	t.Run("start of lamobo", func(t *testing.T) {
		m := machine{image: filepath.Join(w.work, "lamobo.img"), format: "raw", board: "cubieboard", size: "2G", qemu: newQEMU(t, w)}
		left := []string{"U-Boot SPL 20", "Trying to boot from MMC1", "U-Boot 20", "Allwinner A20 (SUN7I)", "Model: Lamobo R1", "DRAM:  1 GiB"}
		err := m.run(t, w, 5*time.Minute, func(line string) bool {
			if len(left) > 0 && strings.Contains(line, left[0]) {
				left = left[1:]
			}
			return len(left) == 0
		})
		if err != nil || len(left) > 0 {
			t.Errorf("the console did not show %q: %v", left, err)
		}
	})
}

func checkYoctoBoard(t *testing.T, reports []map[string]string, want map[string]string) {
	t.Helper()
	t.Logf("%v", reports[0])
	for key, value := range map[string]string{"state": "running", "failed": "", "mode": "rw", "login": "yes"} {
		want[key] = value
	}
	for key, value := range want {
		if reports[0][key] != value {
			t.Errorf("%s is %q, want %q", key, reports[0][key], value)
		}
	}
}

// checkYoctoCard reads a card as the boot ROM, u-boot and the kernel would.
func checkYoctoCard(t *testing.T, w *world, c card) {
	img := filepath.Join(w.work, c.name+".img")
	c.checkBoot(t, img)
	table := w.ok(t, tool(t, "sfdisk"), "-d", img).stdout
	for _, want := range []string{"label: dos", "start=        4096, size=      131072, type=e, bootable", "start=      135168,"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in the partition table:\n%s", want, table)
		}
	}
	boot, root := filepath.Join(w.dir, c.name+".boot"), filepath.Join(w.dir, c.name+".root")
	w.ok(t, "dd", "if="+img, "of="+boot, "bs=1M", "skip=2", "count=64", "status=none")
	w.ok(t, "dd", "if="+img, "of="+root, "bs=1M", "skip=66", "conv=sparse", "status=none")
	w.ok(t, tool(t, "fsck.vfat"), "-n", boot)
	w.ok(t, tool(t, "e2fsck"), "-fn", root)
	for _, file := range []string{"uImage", "dtb", "initrd.img", "boot.scr"} {
		w.ok(t, tool(t, "mcopy"), "-n", "-i", boot, "::/"+file, filepath.Join(w.work, c.name+"."+file))
	}
	kernel := w.read(t, c.name+".uImage")
	if _, _, err := readUImage(kernel, [3]byte{5, 2, 2}); err != nil || len(kernel) >= 16<<20 {
		t.Errorf("the kernel of %d bytes: %v", len(kernel), err)
	}
	if at := binary.BigEndian.Uint32(kernel[16:]); at != 0x40008000 {
		t.Errorf("the kernel is loaded to %#x", at)
	}
	if dtb := w.read(t, c.name+".dtb"); len(dtb) < 8 || binary.BigEndian.Uint32(dtb) != 0xD00DFEED || int(binary.BigEndian.Uint32(dtb[4:])) != len(dtb) {
		t.Errorf("dtb of %d bytes is not a device tree", len(dtb))
	}
	if out := w.ok(t, tool(t, "mkimage"), "-l", c.name+".boot.scr").stdout; !strings.Contains(out, "ARM Linux Script") {
		t.Errorf("mkimage -l:\n%s", out)
	}
	script, err := readScript(w.read(t, c.name+".boot.scr"))
	if err != nil || !strings.Contains(script, "root=PARTUUID=") {
		t.Errorf("the script (%v) is\n%s", err, script)
	}
}
