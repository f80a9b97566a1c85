SUMMARY = "Update of a Nightjar board"
DESCRIPTION = "A signed RAUC bundle of the image; only blocks that changed travel."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
LICENSE = "MIT"

# Made of what other recipes deploy.
# nooelint: oelint.var.mandatoryvar.SRC_URI
SRC_URI = ""

inherit bundle

RAUC_BUNDLE_COMPATIBLE = "nightjar-${NIGHTJAR_BOARD}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "nightjar-image"
RAUC_SLOT_rootfs[fstype] = "ext4"
RAUC_SLOT_rootfs[adaptive] = "block-hash-index"

# The firmware of a Raspberry Pi 5 reads the kernel from a partition of its own.
RAUC_BUNDLE_SLOTS:append:raspberrypi5 = " boot"
RAUC_SLOT_boot = "nightjar-boot"
RAUC_SLOT_boot[type] = "boot"
RAUC_SLOT_boot[file] = "nightjar-boot-${MACHINE}.vfat"
