SUMMARY = "The settings with which the image's packages are installed by Debian's apt"
LICENSE = "CLOSED"
INHIBIT_DEFAULT_DEPS = "1"
inherit native
SRC_URI = "file://apt.conf.sample"
S = "${WORKDIR}"
do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install() {
	install -d ${D}${sysconfdir}/apt
	sed 's,@SYSROOT@,${STAGING_DIR_NATIVE},' ${WORKDIR}/apt.conf.sample >${D}${sysconfdir}/apt/apt.conf.sample
}
