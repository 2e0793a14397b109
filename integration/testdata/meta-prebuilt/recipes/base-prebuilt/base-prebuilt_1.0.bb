SUMMARY = "Debian's busybox as a whole system, up to a login on the serial console"
SRC_URI = "file://inittab file://rc file://passwd file://group file://fstab"
inherit prebuilt
PACKAGES = "${PN}"
FILES:${PN} = "/"
do_compile[noexec] = "1"
do_install() {
	dpkg-deb -x ${DEBS}/busybox-static_*.deb ${D}
	rm -rf ${D}/usr/share
	install -d ${D}/dev ${D}/etc ${D}/proc ${D}/root ${D}/run ${D}/sbin ${D}/sys ${D}/var/log
	install -d -m 1777 ${D}/tmp
	for applet in $(${D}/bin/busybox --list | grep -vx busybox); do
		ln -s busybox ${D}/bin/$applet
	done
	ln -s ../bin/busybox ${D}/sbin/init
	ln -s ../bin/busybox ${D}/sbin/modprobe
	install -m 0644 ${WORKDIR}/inittab ${WORKDIR}/passwd ${WORKDIR}/group ${WORKDIR}/fstab ${D}/etc
	install -m 0755 ${WORKDIR}/rc ${D}/etc/rc
	echo ${MACHINE} >${D}/etc/hostname
	# The kernel opens the console before anybody has mounted /dev.
	mknod -m 0600 ${D}/dev/console c 5 1
	mknod -m 0666 ${D}/dev/null c 1 3
}
