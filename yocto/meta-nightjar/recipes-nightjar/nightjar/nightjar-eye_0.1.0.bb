SUMMARY = "Detector of the Nightjar recorder"
DESCRIPTION = "The process that touches pixels: captures, decodes, looks for people, cars and animals. It may die alone."

DEPENDS = "clang-native gstreamer1.0 gstreamer1.0-plugins-base"

require nightjar.inc

NIGHTJAR_CRATE = "nightjar-eye"

# bindgen reads the kernel's headers for Video4Linux with libclang.
export LIBCLANG_PATH = "${STAGING_LIBDIR_NATIVE}"
export BINDGEN_EXTRA_CLANG_ARGS = "--sysroot=${STAGING_DIR_TARGET}"

RDEPENDS:${PN} = "gstreamer1.0-plugins-bad gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
# Where no hardware decodes H.264: openh264 needs no licence flag, FFmpeg's decoder is faster.
RRECOMMENDS:${PN} = "gstreamer1.0-libav"
