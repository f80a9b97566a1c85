SUMMARY = "Update agent of the Nightjar recorder"
DESCRIPTION = "Installs signed bundles by RAUC, and keeps a new version only when this board's own cameras record again."

require nightjar.inc

NIGHTJAR_CRATE = "nightjar-ota"

RDEPENDS:${PN} = "nightjar-system rauc"
