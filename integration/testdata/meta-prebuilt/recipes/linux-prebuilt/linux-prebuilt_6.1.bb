SUMMARY = "Debian's kernel for clouds: ext4 is built in, virtio is not"
inherit prebuilt deploy kernel-artifact-names
PROVIDES = "virtual/kernel"
PACKAGE_ARCH = "${MACHINE_ARCH}"
PACKAGES = "kernel-modules"
FILES:kernel-modules = "/lib/modules"
do_compile() {
	rm -rf ${WORKDIR}/deb
	dpkg-deb -x ${DEBS}/linux-image-*.deb ${WORKDIR}/deb
	depmod -b ${WORKDIR}/deb $(ls ${WORKDIR}/deb/lib/modules)
}
do_install() {
	install -d ${D}/lib
	cp -R --no-preserve=ownership ${WORKDIR}/deb/lib/modules ${D}/lib
}
do_deploy() {
	cd ${DEPLOYDIR}
	install -m 0644 ${WORKDIR}/deb/boot/vmlinuz-* bzImage-${KERNEL_IMAGE_NAME}.bin
	ln -sf bzImage-${KERNEL_IMAGE_NAME}.bin bzImage-${KERNEL_IMAGE_LINK_NAME}.bin
	ln -sf bzImage-${KERNEL_IMAGE_NAME}.bin bzImage
	tar --sort=name --owner=0 --group=0 -C ${WORKDIR}/deb -c lib | gzip -1n >modules-${MODULE_TARBALL_NAME}.tgz
	ln -sf modules-${MODULE_TARBALL_NAME}.tgz modules-${MODULE_TARBALL_LINK_NAME}.tgz
}
addtask deploy after do_install before do_build
