SUMMARY = "U-Boot script that picks a slot"
DESCRIPTION = "The script of the QEMU board, told by U-Boot itself which disk it was loaded from."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
BUGTRACKER = "https://github.com/nightjar-nvr/nightjar/issues"
SECTION = "bootloaders"
LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "\
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"

DEPENDS = "u-boot-mkimage-native"
PROVIDES += "u-boot-default-script"

# One script for all boards: it lies with the files that every image shares.
# nooelint: oelint.vars.fileextrapaths,oelint.vars.outofcontext
FILESEXTRAPATHS:prepend := "${THISDIR}/../../recipes-nightjar/nightjar/files:"

SRC_URI = "file://uboot-ab.cmd"

S = "${UNPACKDIR}"

inherit kernel-arch deploy nopackages

INHIBIT_DEFAULT_DEPS = "1"

NIGHTJAR_CONSOLE ?= "ttyAMA0"

do_configure[noexec] = "1"

do_compile() {
    {
        echo 'test "${devtype}" = mmc && mmc dev ${devnum}'
        echo 'test -n "${fdt_addr}" || setenv fdt_addr ${fdtcontroladdr}'
        sed -e 's/virtio 0/${devtype} ${devnum}/g' -e 's/virtio read/${devtype} read/' -e 's/virtio write/${devtype} write/' \
            -e 's/console=ttyAMA0/console=${NIGHTJAR_CONSOLE}/' \
            -e 's! && load [^&]*/boot/initrd.img!!' -e 's!${ramdisk_addr_r}:${filesize}!-!' ${S}/uboot-ab.cmd
    } > ${B}/boot.cmd
    # Kernels of these boards have all built in that finds a root.
    grep -qF 'booti ${kernel_addr_r} - ${fdt_addr}' ${B}/boot.cmd || bbfatal "uboot-ab.cmd boots otherwise than this recipe knows"
    ! grep -q virtio ${B}/boot.cmd || bbfatal "uboot-ab.cmd names a disk that this recipe does not know of"
    mkimage -A ${UBOOT_ARCH} -T script -C none -n nightjar -d ${B}/boot.cmd ${B}/boot.scr
}

do_install[noexec] = "1"

do_deploy() {
    install -m 0644 ${B}/boot.scr ${DEPLOYDIR}/boot.scr
}

addtask deploy after do_compile before do_build
