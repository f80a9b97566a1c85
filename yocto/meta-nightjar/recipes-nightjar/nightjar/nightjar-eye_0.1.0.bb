SUMMARY = "Detector of the Nightjar recorder"
DESCRIPTION = "The process that touches pixels: captures, decodes, looks for people, cars and animals. It may die alone."

DEPENDS = "clang-native gstreamer1.0 gstreamer1.0-plugins-base"

require nightjar.inc

NIGHTJAR_CRATE = "nightjar-eye"

# bindgen reads the kernel's headers for Video4Linux with libclang.
export LIBCLANG_PATH = "${STAGING_LIBDIR_NATIVE}"
export BINDGEN_EXTRA_CLANG_ARGS = "--sysroot=${STAGING_DIR_TARGET}"

RDEPENDS:${PN} = "gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
# Where no hardware decodes H.264: FFmpeg's decoder, which a builder has to accept (LICENSE_FLAGS_ACCEPTED += "commercial").
RRECOMMENDS:${PN} = "${@bb.utils.contains('LICENSE_FLAGS_ACCEPTED', 'commercial', 'gstreamer1.0-libav', '', d)}"
