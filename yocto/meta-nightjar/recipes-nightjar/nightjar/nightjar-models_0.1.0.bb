SUMMARY = "Models of the Nightjar detector"
DESCRIPTION = "Weights as their cards in models/cards name them, prepared by \"cargo xtask setup\"."
HOMEPAGE = "https://github.com/nightjar-nvr/nightjar"
BUGTRACKER = "https://github.com/nightjar-nvr/nightjar/issues"
SECTION = "multimedia"
LICENSE = "Apache-2.0 & MIT"
LIC_FILES_CHKSUM = "\
    file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10 \
    file://${COMMON_LICENSE_DIR}/MIT;md5=0835ade698e0bcf8506ecda2f7b4f302 \
"

# nooelint: oelint.var.mandatoryvar.SRC_URI
SRC_URI = ""

inherit allarch

# They are no part of the work tree: set-up makes them, and checks each against its card's sha256.
NIGHTJAR_MODELS ?= "${NIGHTJAR_SOURCE}/target/models"

INHIBIT_DEFAULT_DEPS = "1"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install[file-checksums] += "${NIGHTJAR_MODELS}/*.onnx:True"
do_install() {
    ls ${NIGHTJAR_MODELS}/*.onnx > /dev/null || bbfatal "${NIGHTJAR_MODELS} is empty: run \"cargo xtask setup\" first"
    install -d ${D}${datadir}/nightjar/models
    install -m 0644 ${NIGHTJAR_MODELS}/*.onnx ${D}${datadir}/nightjar/models
}

FILES:${PN} += "${datadir}/nightjar/models"
