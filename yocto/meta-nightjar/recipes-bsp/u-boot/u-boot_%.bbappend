FILESEXTRAPATHS:prepend:nightjar := "${THISDIR}/files:"

# What the slot script calls, on every board.
SRC_URI:append:nightjar = " file://nightjar.cfg"
