// SPDX-License-Identifier: MPL-2.0

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

// pokyPackages are what scarthgap's bitbake needs on Debian bookworm, and
// what the packages and images are made with.
const pokyPackages = "python3 gawk wget git diffstat unzip texinfo chrpath cpio file patch lz4 zstd rpcsvc-proto locales gcc g++ make " +
	"bzip2 xz-utils pseudo dpkg-dev apt-utils procps kmod e2fsprogs dosfstools mtools parted gdisk fdisk"

// pokyConf makes a small offline exercise of the whole of OE-core: no
// recipes but our own, and Debian's programs in place of native ones.
const pokyConf = `
MACHINE = "testbox"
DISTRO = "poky"
PACKAGE_CLASSES = "package_deb"
BB_NO_NETWORK = "1"
CONNECTIVITY_CHECK_URIS = ""
INHERIT:remove = "uninative"
BB_HASHSERVE = ""
BB_SIGNATURE_HANDLER = "OEBasicHash"
BB_NUMBER_THREADS = "2"
BBMASK = "/meta/recipes- /meta-poky/recipes-"
BBFILE_PATTERN_IGNORE_EMPTY_core = "1"
BBFILE_PATTERN_IGNORE_EMPTY_yocto = "1"
SKIP_FILEDEPS = "1"
HOSTTOOLS += "dpkg dpkg-deb dpkg-architecture dpkg-split dpkg-query dpkg-divert ldconfig start-stop-daemon apt-get apt-cache apt-ftparchive"
HOSTTOOLS += "depmod mkfs.ext4 fsck.ext4 debugfs dumpe2fs e2fsck mkdosfs mkfs.vfat fsck.vfat mcopy mmd mdir parted sgdisk sfdisk"
ASSUME_PROVIDED += "dpkg-native quilt-native patch-replacement-native rpm-native dwarfsrcfiles-native makedevs-native opkg-utils-native"
ASSUME_PROVIDED += "update-rc.d-native ldconfig-native xz-native pigz-native prelink-native cross-localedef-native qemuwrapper-cross depmodwrapper-cross"
ASSUME_PROVIDED += "virtual/update-alternatives-native qemu-system-native qemu-helper-native"
ASSUME_PROVIDED += "zstd-native cpio-native e2fsprogs-native parted-native gptfdisk-native dosfstools-native mtools-native"
EXTRA_IMAGEDEPENDS = ""
USE_DEPMOD = "0"
`

// pokyDeclaration: a package is made, then an image, and its disk. What the
// image is made of are Debian's packages, which the recipes find in /srv/debs.
const pokyDeclaration = `<redo><layer_declaration><remote name="local" baseurl="%s/git/"/><baselayer remote="local" repo="poky" revision=%q/>
	<layer name="meta-prebuilt" remote="local" repo="meta-prebuilt" revision="master"/></layer_declaration><local_conf>%s</local_conf>
	<buildstage id="debian"><bootstrap suite="bookworm" packages=%q/></buildstage>
	<buildstage id="sources"><prestage>debian</prestage>
		<action>RUN useradd -m builder &amp;&amp; echo 'en_US.UTF-8 UTF-8' >/etc/locale.gen &amp;&amp; locale-gen</action>
		<action>RUN apt-get update &amp;&amp; mkdir /srv/debs &amp;&amp; cd /srv/debs &amp;&amp; apt-get download busybox-static systemd-boot-efi \
			$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p')</action>
		<action>ENV LC_ALL= LANG=en_US.UTF-8</action><action>USER builder</action><reposync/></buildstage>
	<buildstage id="package"><prestage>sources</prestage><action>RUN cd /REDO/source/poky &amp;&amp; git status --porcelain &amp;&amp; git describe --tags</action>
		<bitbake_target>ci-data</bitbake_target></buildstage>
	<buildstage id="image"><prestage>package</prestage><bitbake_target>image-prebuilt</bitbake_target></buildstage></redo>`

// TestPoky runs a real bitbake, of a repository of poky's that
// CAROSBUILD_POKY names (a branch other than scarthgap:
// CAROSBUILD_POKY_REVISION). As an ordinary user of the stage it makes a
// Debian package with other owners and a device; then an image of Debian's
// programs, with OE-core's own classes, of which a disk is made that boots.
func TestPoky(t *testing.T) {
	w, revision := pokyWorld(t)
	w.file(t, "a.xml", fmt.Sprintf(pokyDeclaration, w.work, revision, pokyConf, pokyPackages))
	r, _ := w.build(t, "a.xml", "-B", "poky")
	t.Logf("%s in %s", revision, r.took.Round(time.Second))
	if n := strings.Count(r.stderr, "NOTE: Tasks Summary: Attempted"); n != 2 || strings.Count(r.stderr, "all succeeded") != 2 {
		t.Errorf("bitbake did not print twice that all succeeded\n%s", tailOf(r.stderr))
	}
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, "Tasks Summary") || strings.Contains(line, " done in ") {
			t.Log(strings.TrimSpace(line))
		}
	}
	got := w.ok(t, program(t), "shell", "poky:package", "/bin/sh", "-c", "dpkg-deb -c /REDO/build/tmp/deploy/deb/all/ci-data_*.deb").stdout
	for _, want := range []string{"-rw-r----- sys/tty", "./etc/greeting", "crw-r--r-- root/root", "1,3"} {
		if !strings.Contains(got, want) {
			t.Errorf("the package lacks %q:\n%s", want, got)
		}
	}
	t.Logf("deployed:\n%s", w.ok(t, program(t), "shell", "poky:image", "/bin/sh", "-c", "cd /REDO/build/tmp/deploy/images/testbox && ls -go; du -sh /REDO/build /REDO/source").stdout)
	t.Run("disk", func(t *testing.T) { pokyDisk(t, w) })
}

// pokyDisk makes a disk of the image by a shipped declaration, compares its root
// with the archive that bitbake made of it, and boots it. The kernel has the
// drivers of its disk as modules: there is an initrd with them.
func pokyDisk(t *testing.T, w *world) {
	w.build(t, "a.xml", "yocto-efi.xml", "-B", "disk", "--out", "poky.raw")
	archive := w.ok(t, "/bin/sh", "-c", program(t)+" shell poky:image /bin/cat /REDO/build/tmp/deploy/images/testbox/image-prebuilt-testbox.rootfs.tar.zst | "+tool(t, "zstd")+" -dc").stdout
	sameRoot(t, w, "poky.raw", 2, []byte(archive), true)
	r := w.ok(t, program(t), "boot", "poky.raw", "--accel", "tcg", "--firmware", "efi", "--bus", "virtio", "--timeout", "8m",
		"--expect", "initrd: root=PARTUUID=[0-9a-f-]+ is /dev/vda2", "--expect", "RC-REPORT root=/dev/vda2,ext4 dummy=1 kernel=6.* greeting=3:5:640", "--expect", "testbox login: ")
	t.Logf("login after %v", r.took.Round(time.Second))
}

// pokyWorld has the repositories that the declaration names.
func pokyWorld(t *testing.T) (w *world, revision string) {
	t.Helper()
	poky := os.Getenv("CAROSBUILD_POKY")
	if poky == "" {
		t.Skip("NOT TESTED: real bitbake. CAROSBUILD_POKY names no git repository of poky (they cannot be had here); TestCarOS and TestBitbake have a stand-in for it")
	}
	if revision = os.Getenv("CAROSBUILD_POKY_REVISION"); revision == "" {
		revision = "scarthgap"
	}
	w = newWorld(t)
	layer := filepath.Join(w.work, "git/meta-prebuilt")
	if err := os.CopyFS(layer, os.DirFS("testdata/meta-prebuilt")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(poky, filepath.Join(w.work, "git/poky")); err != nil {
		t.Fatal(err)
	}
	w.file(t, "git/meta-prebuilt/conf/layer.conf", `BBPATH .= ":${LAYERDIR}"
BBFILES += "${LAYERDIR}/recipes/*/*.bb"
BBFILE_COLLECTIONS += "prebuilt"
BBFILE_PATTERN_prebuilt = "^${LAYERDIR}/"
LAYERDEPENDS_prebuilt = "core"
LAYERSERIES_COMPAT_prebuilt = "`+revision+`"
`)
	w.repository(t, "meta-prebuilt")
	return w, revision
}
