SUMMARY = "Boot partitions of a Raspberry Pi 5 with slots"
DESCRIPTION = "autoboot.txt, and kernel with device trees as one file system, the same for both slots."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
BUGTRACKER = "https://github.com/nightjar-nvr/nightjar/issues"
SECTION = "bootloaders"
LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "\
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"

DEPENDS = "dosfstools-native mtools-native"

SRC_URI = "\
    file://autoboot.txt \
    file://cmdline-a.txt \
    file://cmdline-b.txt \
    file://slots.txt \
"

S = "${UNPACKDIR}"

inherit deploy nopackages

COMPATIBLE_MACHINE = "^raspberrypi5$"
PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"

NIGHTJAR_BOOT_KIB ?= "131072"

do_configure[noexec] = "1"
do_install[noexec] = "1"

do_compile[depends] += "rpi-bootfiles:do_deploy rpi-config:do_deploy virtual/kernel:do_deploy"
do_compile() {
    rm -f ${B}/boot.vfat ${B}/firmware.vfat
    mkfs.vfat -n FIRMWARE -C ${B}/firmware.vfat 16384
    mcopy -i ${B}/firmware.vfat ${S}/autoboot.txt ::
    mkfs.vfat -n BOOT -C ${B}/boot.vfat ${NIGHTJAR_BOOT_KIB}
    # As the board's layer lists them: "file", "file;name", "folder/*".
    entries='${IMAGE_BOOT_FILES}'
    for entry in $entries; do
        from=${entry%%;*}
        to=${entry#*;}
        case "$entry" in
        *\;*) mmd -D s -i ${B}/boot.vfat "::$(dirname $to)" || true; mcopy -o -i ${B}/boot.vfat ${DEPLOY_DIR_IMAGE}/$from "::$to" ;;
        *) mcopy -o -s -i ${B}/boot.vfat ${DEPLOY_DIR_IMAGE}/$from :: ;;
        esac
    done
    mcopy -i ${B}/boot.vfat ::config.txt ${B}/config.txt
    cat ${S}/slots.txt >> ${B}/config.txt
    mcopy -o -i ${B}/boot.vfat ${B}/config.txt ${S}/cmdline-a.txt ${S}/cmdline-b.txt ::
}

do_deploy() {
    install -m 0644 ${B}/boot.vfat ${DEPLOYDIR}/nightjar-boot-${MACHINE}.vfat
    install -m 0644 ${B}/firmware.vfat ${DEPLOYDIR}/nightjar-firmware-${MACHINE}.vfat
}

addtask deploy after do_compile before do_build
