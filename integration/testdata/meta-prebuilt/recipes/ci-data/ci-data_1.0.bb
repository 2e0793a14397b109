SUMMARY = "a file with an owner, and a device"
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
