# The settings for cameras lie in a folder, as in Debian.
do_install:append:nightjar-distro() {
    echo "confdir ${sysconfdir}/chrony/conf.d" >> ${D}${sysconfdir}/chrony.conf
}
