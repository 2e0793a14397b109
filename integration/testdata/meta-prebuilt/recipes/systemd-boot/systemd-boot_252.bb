SUMMARY = "Debian's systemd-boot"
inherit prebuilt deploy nopackages
PACKAGE_ARCH = "${MACHINE_ARCH}"
do_compile[noexec] = "1"
do_install[noexec] = "1"
do_deploy() {
	dpkg-deb -x ${DEBS}/systemd-boot-efi_*.deb ${B}/deb
	install -m 0644 ${B}/deb/usr/lib/systemd/boot/efi/systemd-bootx64.efi ${B}/deb/usr/lib/systemd/boot/efi/linuxx64.efi.stub ${DEPLOYDIR}
}
addtask deploy after do_install before do_build
