SUMMARY = "Image of a Nightjar board"
DESCRIPTION = "A/B root slots, read-only; settings on \"state\", footage on \"data\"."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
LICENSE = "MIT"

inherit core-image

IMAGE_FEATURES += "read-only-rootfs"

IMAGE_INSTALL += "kernel-image kernel-modules nightjar nightjar-ota"

IMAGE_FSTYPES = "ext4 wic.bmap wic.zst"

# Both slots get the same room, whatever the image takes today.
IMAGE_OVERHEAD_FACTOR = "1.0"
IMAGE_ROOTFS_SIZE = "524288"
IMAGE_ROOTFS_MAXSIZE = "1048576"

WKS_FILE = "nightjar-${NIGHTJAR_SLOTS}.wks.in"
