// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build integration

package integration

import (
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
	after   string // and commands there, after as-yocto
	base    string // the declaration that the stages start from
}

// pcSystem is a Debian with the kernel that a package brings. What no virtual
// machine needs is taken out of its modules.
func pcSystem(kernel string) string {
	return `<buildstage id="system"><bootstrap suite="bookworm" variant="minbase" packages="systemd-sysv udev dbus kmod iproute2 e2fsprogs fdisk procps"/>
		<action>ENV INITRD=No</action>
		<action>RUN apt-get update &amp;&amp; apt-get install -y --no-install-recommends ` + kernel + ` &amp;&amp; apt-get clean</action>
		<action>RUN cd /lib/modules/*/kernel &amp;&amp; rm -rf sound drivers/gpu drivers/media drivers/net/wireless drivers/net/ethernet/mellanox drivers/infiniband drivers/staging drivers/iio drivers/isdn \
			&amp;&amp; depmod $(ls /lib/modules)</action>
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
	for _, name := range []string{"boot-report", "boot-report.service", "slow.conf"} {
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
		<action>RUN as-yocto %[5]s %[3]s %[6]s /srv/root /srv/deploy/%[6]s %[7]s %[8]s%[10]s &amp;&amp; rm -rf /srv/root</action></buildstage>
	<buildstage id="010-ubuntu"><prestage>prepared</prestage><reposync/></buildstage>
	<buildstage id="015-reposync"><prestage>010-ubuntu</prestage><reposync/>
		<action>RUN install -d /REDO/build</action><action>RUN install -d /REDO/download</action></buildstage>
	<buildstage id="020-build-core-image"><prestage>015-reposync</prestage><bitbake_target>%[6]s</bitbake_target></buildstage>
	<buildstage id="030-build-packages"><prestage>020-build-core-image</prestage><reposync/><bitbake_target>packagegroup-caros</bitbake_target></buildstage>
</redo>`, base, w.work, y.machine, y.system, y.layout, y.image, y.kernel, y.formats, y.files, y.after))
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

// yoctoVMware is what MACHINE vmware deploys: "cpio.gz live ova", of which
// "live" brings an ext4 (jethro).
var yoctoVMware = yoctoBoot{
	file: "caros-16.03-vmware.xml", machine: "vmware", image: "core-image-caros", layout: "old", kernel: "bzImage", formats: "cpio.gz ext4",
	system: pcSystem("linux-image-amd64"),
}

// yoctoEFI is of a later release, with a kernel that has the drivers of its root
// built in, and a boot loader beside it.
var yoctoEFI = yoctoBoot{
	file: "new-x86.xml", machine: "genericx86-64", image: "core-image-full-cmdline", layout: "new", kernel: "bzImage", formats: "tar.zst",
	system: pcSystem("linux-image-cloud-amd64"),
	after:  " &amp;&amp; cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi /usr/lib/systemd/boot/efi/linuxx64.efi.stub /srv/deploy/core-image-full-cmdline/",
}

// yoctoCard is what a board with a processor of Allwinner deploys: "ext3 tar.gz
// sunxi-sdimg", the last of which is what carosbuild makes instead.
func yoctoCard(machine, dtb, uboot string) yoctoBoot {
	return yoctoBoot{
		file: "caros-16.04-" + machine + ".xml", base: "sunxi.xml", machine: machine, image: "core-image-caros", layout: "old", kernel: "uImage", formats: "tar.gz ext3",
		system: `<buildstage id="system"><prestage>900-release</prestage><action>RUN printf '/dev/root / auto defaults 1 1\n' >/etc/fstab</action></buildstage>`,
		files:  "<action>COPY --from=u-boot /usr/lib/u-boot/" + uboot + " /srv/u-boot/</action>",
		after: " &amp;&amp; as-yocto-card " + machine + " /srv/deploy/core-image-caros uImage /srv/root/usr/lib/linux-image-*/" + dtb +
			" /srv/u-boot/u-boot-sunxi-with-spl.bin",
	}
}

// TestYoctoBoot makes disks of what Yocto deploys, and boots them to a login.
// The systems are Debian's: what bitbake would have compiled cannot be had.
func TestYoctoBoot(t *testing.T) {
	w := newWorld(t)
	w.poky(t)
	yoctoVMware.build(t, w, "yocto-vmware.xml", "caros.vmdk", "caros.ova")
	w.ok(t, tool(t, "qemu-img"), "check", "caros.vmdk")
	for _, name := range []string{"caros.vmdk", "caros.ova"} {
		w.ok(t, program(t), "inspect", "--check", name)
		for _, m := range []struct{ firmware, bus string }{{"bios", "pvscsi"}, {"efi", "ahci"}} {
			t.Run(name+" "+m.firmware, func(t *testing.T) {
				r := w.ok(t, program(t), "boot", name, "--accel", "tcg", "--firmware", m.firmware, "--bus", m.bus, "--timeout", "12m", "--expect", "login: ")
				t.Logf("login after %v", r.took.Round(time.Second))
			})
		}
	}
}
