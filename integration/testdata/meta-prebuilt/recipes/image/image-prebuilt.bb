SUMMARY = "A small system of prebuilt programs"
IMAGE_INSTALL = "base-prebuilt kernel-modules ci-data"
PACKAGE_INSTALL = "${IMAGE_INSTALL}"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "tar.zst ext4 wic"
IMAGE_BOOT_FILES = "bzImage"
WKS_FILE = "testbox.wks"
WKS_FILE_DEPENDS = ""
inherit image
do_image_complete[depends] += "virtual/kernel:do_deploy systemd-boot:do_deploy"
ROOTFS_PREPROCESS_COMMAND += "directories_of_apt"
directories_of_apt() {
	install -d ${STAGING_DIR_NATIVE}/var/lib/apt ${STAGING_DIR_NATIVE}/var/cache/apt/archives/partial ${STAGING_DIR_NATIVE}/var/log/apt
}

# No development kit: it would want a compiler.
TOOLCHAIN_TARGET_TASK = ""
TOOLCHAIN_HOST_TASK = ""
TOOLCHAIN_HOST_TASK_ESDK = ""
SDK_DEPENDS = ""
SDK_RDEPENDS = ""
python () {
    for task in ('do_populate_sdk', 'do_populate_sdk_ext', 'do_sdk_depends'):
        bb.build.deltask(task, d)
        for flag in ('depends', 'rdepends', 'recrdeptask'):
            d.delVarFlag(task, flag)
}
