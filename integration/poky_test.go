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
)

// pokyPackages are what scarthgap's bitbake wants of a Debian bookworm, and
// what the packages are made with.
const pokyPackages = "python3 gawk wget git diffstat unzip texinfo chrpath cpio file patch lz4 zstd rpcsvc-proto locales gcc g++ make " +
	"bzip2 xz-utils pseudo dpkg-dev apt-utils procps"

// pokyConf makes a small offline exercise of the whole of OE-core: no
// recipes but our own, and Debian's programs in place of native ones.
const pokyConf = `
MACHINE = "qemux86-64"
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
ASSUME_PROVIDED += "dpkg-native quilt-native patch-replacement-native rpm-native dwarfsrcfiles-native makedevs-native opkg-utils-native"
ASSUME_PROVIDED += "update-rc.d-native ldconfig-native xz-native pigz-native prelink-native cross-localedef-native qemuwrapper-cross depmodwrapper-cross"
ASSUME_PROVIDED += "virtual/update-alternatives-native virtual/kernel qemu-system-native qemu-helper-native"
KERNELDEPMODDEPEND = ""
KERNEL_DEPLOY_DEPEND = ""
EXTRA_IMAGEDEPENDS = ""
USE_DEPMOD = "0"
`

// TestPoky runs a real bitbake, of a repository of poky's that
// CAROSBUILD_POKY names (a branch other than scarthgap:
// CAROSBUILD_POKY_REVISION): as an ordinary user of the stage it makes a
// Debian package with other owners and a device.
func TestPoky(t *testing.T) {
	poky := os.Getenv("CAROSBUILD_POKY")
	if poky == "" {
		t.Skip("NOT TESTED: real bitbake. CAROSBUILD_POKY names no git repository of poky (they cannot be had here); TestCarOS and TestBitbake have a stand-in for it")
	}
	revision := os.Getenv("CAROSBUILD_POKY_REVISION")
	if revision == "" {
		revision = "scarthgap"
	}
	w := newWorld(t)
	if err := os.MkdirAll(filepath.Join(w.work, "git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(poky, filepath.Join(w.work, "git/poky")); err != nil {
		t.Fatal(err)
	}
	w.file(t, "git/meta-ci/recipes/ci-data/files/greeting", "hello\n")
	w.file(t, "git/meta-ci/recipes/ci-data/ci-data_1.0.bb", `SUMMARY = "a file with an owner, and a device"
LICENSE = "CLOSED"
SRC_URI = "file://greeting"
INHIBIT_DEFAULT_DEPS = "1"
inherit allarch
S = "${WORKDIR}"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install() {
	install -d ${D}${sysconfdir}
	install -m 0640 ${WORKDIR}/greeting ${D}${sysconfdir}/greeting
	chown 3:5 ${D}${sysconfdir}/greeting
	mknod ${D}${sysconfdir}/null c 1 3
}
`)
	w.file(t, "git/meta-ci/recipes/pseudo/pseudo-native_1.0.bb", `SUMMARY = "Debian's pseudo"
LICENSE = "CLOSED"
INHIBIT_DEFAULT_DEPS = "1"
inherit native
PROVIDES += "virtual/fakeroot-native"
S = "${WORKDIR}"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
INHIBIT_SYSROOT_STRIP = "1"
do_install() {
	install -d ${D}${bindir} ${D}${prefix}/lib/pseudo/lib ${D}${prefix}/lib/pseudo/lib64
	install -m 0755 /usr/bin/pseudo ${D}${bindir}/pseudo
	lib=$(find /usr/lib -name libpseudo.so | head -n 1)
	install -m 0755 $lib ${D}${prefix}/lib/pseudo/lib/libpseudo.so
	install -m 0755 $lib ${D}${prefix}/lib/pseudo/lib64/libpseudo.so
}
`)
	w.file(t, "git/meta-ci/conf/layer.conf", `BBPATH .= ":${LAYERDIR}"
BBFILES += "${LAYERDIR}/recipes/*/*.bb"
BBFILE_COLLECTIONS += "ci"
BBFILE_PATTERN_ci = "^${LAYERDIR}/"
LAYERDEPENDS_ci = "core"
LAYERSERIES_COMPAT_ci = "`+revision+`"
`)
	w.repository(t, "meta-ci")
	w.file(t, "a.xml", fmt.Sprintf(`<redo><layer_declaration><remote name="local" baseurl="%s/git/"/><baselayer remote="local" repo="poky" revision=%q/>
	<layer name="meta-ci" remote="local" repo="meta-ci" revision="master"/></layer_declaration><local_conf>%s</local_conf>
	<buildstage id="debian"><bootstrap suite="bookworm" packages=%q/></buildstage>
	<buildstage id="sources"><prestage>debian</prestage>
		<action>RUN useradd -m builder &amp;&amp; echo 'en_US.UTF-8 UTF-8' >/etc/locale.gen &amp;&amp; locale-gen</action>
		<action>ENV LC_ALL= LANG=en_US.UTF-8</action><action>USER builder</action><reposync/></buildstage>
	<buildstage id="yocto"><prestage>sources</prestage><action>RUN cd /REDO/source/poky &amp;&amp; git status --porcelain &amp;&amp; git describe --tags</action>
		<bitbake_target>ci-data</bitbake_target></buildstage></redo>`, w.work, revision, pokyConf, pokyPackages))
	r, _ := w.build(t, "a.xml", "-B", "poky")
	for _, want := range []string{"NOTE: Tasks Summary: Attempted", "all succeeded"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("bitbake did not print %q\n%s", want, tailOf(r.stderr))
		}
	}
	got := w.ok(t, program(t), "shell", "poky:yocto", "/bin/sh", "-c", "dpkg-deb -c /REDO/build/tmp/deploy/deb/all/ci-data_*.deb").stdout
	for _, want := range []string{"-rw-r----- sys/tty", "./etc/greeting", "crw-r--r-- root/root", "1,3"} {
		if !strings.Contains(got, want) {
			t.Errorf("the package lacks %q:\n%s", want, got)
		}
	}
	t.Logf("%s in %s\n%s", revision, r.took.Round(1e9), got)
}
