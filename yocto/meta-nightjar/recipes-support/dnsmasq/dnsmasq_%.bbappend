# Ours is started by nightjar-cameras and nightjar-setup alone, each with its own settings.
SYSTEMD_AUTO_ENABLE:${PN}:nightjar-distro = "disable"
