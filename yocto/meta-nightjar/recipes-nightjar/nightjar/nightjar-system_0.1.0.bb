SUMMARY = "What a board needs round the Nightjar programs"
DESCRIPTION = "Units, firewall, kernel settings, users, partitions and slots: each where install.list says."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
BUGTRACKER = "https://github.com/nightjar-nvr/nightjar/issues"
SECTION = "base"
LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "\
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"

# The whole folder, which other ways to make an image use as well.
# nooelint: oelint.vars.fileextrapaths,oelint.vars.outofcontext
FILESEXTRAPATHS:prepend := "${THISDIR}:"

SRC_URI = "file://files"

S = "${UNPACKDIR}/files"

inherit useradd

PACKAGE_ARCH = "${MACHINE_ARCH}"

INHIBIT_DEFAULT_DEPS = "1"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    grep -v '^#' ${S}/install.list | while read part file place; do
        case "$part:$file" in
        :*) ;;
        *:-)
            case "$place" in
            *-generator) masked=${D}${sysconfdir}/systemd/system-generators ;;
            *) masked=${D}${sysconfdir}/systemd/system ;;
            esac
            install -d $masked
            ln -s /dev/null $masked/$place
            ;;
        *)
            mode=0644
            [ -x ${S}/$file ] && mode=0755
            install -D -m $mode ${S}/$file ${D}$place
            case "$file" in
            *.in) sed -i -e 's!@COMPATIBLE@!nightjar-${NIGHTJAR_BOARD}!' -e 's!@FLOOR@!${NIGHTJAR_FLOOR}!' ${D}$place ;;
            esac
            ;;
        esac
    done
    # Where the partitions are mounted, as nobody can make a folder in a root that is read-only; settings are on "state".
    install -d ${D}/state ${D}/data
    ln -s ../state/etc ${D}${sysconfdir}/nightjar
    # Whom updates are believed from.
    [ -f "${NIGHTJAR_KEYRING}" ] || bbfatal "${NIGHTJAR_KEYRING} is missing: ota/KEYS.md says how keys are made"
    install -D -m 0644 ${NIGHTJAR_KEYRING} ${D}${sysconfdir}/rauc/keyring.pem
}

# No U-Boot: RAUC asks our own backend, and the kernel lies in a partition of its own beside each root.
do_install:append:raspberrypi5() {
    sed -i -e 's!^bootloader=uboot!bootloader=custom!' -e '/^boot-attempts/d' ${D}${sysconfdir}/rauc/system.conf
    cat ${S}/rauc.tryboot.conf >> ${D}${sysconfdir}/rauc/system.conf
    echo 'PARTLABEL=firmware /firmware vfat noatime,nosuid,nodev,noexec 0 2' >> ${D}${sysconfdir}/fstab
    install -d ${D}/firmware
}

USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system gpio; --system render; --system video"
USERADD_PARAM:${PN} = "--system --home-dir ${localstatedir}/lib/nightjar --no-create-home --shell ${sbindir}/nologin \
    --comment 'Nightjar recorder' --user-group --groups gpio,render,video nightjar"

FILES:${PN} += "/data /firmware /state ${datadir}/nightjar ${libdir} ${nonarch_libdir} ${libexecdir}/nightjar ${systemd_unitdir}"

RDEPENDS:${PN} = "chrony dnsmasq e2fsprogs-mke2fs hostapd iproute2 iw nftables util-linux wpa-supplicant"
RRECOMMENDS:${PN} = "smartmontools"
RPROVIDES:${PN} = "virtual-rauc-conf"
