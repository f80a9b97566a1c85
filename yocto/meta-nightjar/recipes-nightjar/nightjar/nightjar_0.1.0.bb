SUMMARY = "Video recorder for single-board computers"
DESCRIPTION = "Records streams of cameras as they are, keeps rules and relays, serves the phone page."

require nightjar.inc

NIGHTJAR_CRATE = "nightjar"

# The page is part of the program; npm can't run here.
do_compile[file-checksums] += "${NIGHTJAR_SOURCE}/web-mini/dist/index.html:True"
do_compile:prepend() {
    [ -f ${S}/web-mini/dist/index.html ] || bbfatal "web-mini/dist is missing: run \"cargo xtask web\" in ${S} first"
}

RDEPENDS:${PN} = "nightjar-eye nightjar-models nightjar-system tzdata"
