SUMMARY = "Debian's pseudo"
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
