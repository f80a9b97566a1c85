FILESEXTRAPATHS:prepend:nightjar-distro := "${THISDIR}/files:"

# What the slot script calls, on every board.
SRC_URI:append:nightjar-distro = " file://nightjar.cfg"
