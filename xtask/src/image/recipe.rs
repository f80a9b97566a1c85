//! What the board's system is made of, as tables: Debian's packages, files picked out of larger ones, kernel modules.

/// Debian's release of the system.
pub(super) const SUITE: &str = "trixie";

/// Packages with all that they depend on.
pub(super) const PACKAGES: &[&str] = &[
    // the system
    "base-files",
    "base-passwd",
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "dbus",
    "findutils",
    "gawk",
    "grep",
    "hostname",
    "kmod",
    "libc-bin",
    "login",
    "mount",
    "netbase",
    "passwd",
    "procps",
    "sed",
    "systemd-sysv",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
    "ca-certificates",
    "systemd-resolved",
    // disks
    "e2fsprogs",
    "fdisk",
    "dosfstools",
    "libubootenv-tool",
    // network: firewall, the camera side, a shell for whoever has the key; BusyBox for its `ip`, see tree.rs
    "busybox-static",
    "nftables",
    "dnsmasq-base",
    "chrony",
    "dropbear-bin",
    // what the plug-ins below are linked to
    "libgstreamer1.0-0",
    "libgstreamer-plugins-base1.0-0",
    "libjpeg62-turbo",
    "libgudev-1.0-0",
    "libv4l-0t64",
    "libopenh264-8",
    "liborc-0.4-0t64",
    "libstdc++6",
    // what RAUC is linked to; RAUC itself is picked below
    "libcurl3t64-gnutls",
    "libfdisk1",
    "libglib2.0-0t64",
    "libjson-glib-1.0-0",
    "libnl-3-200",
    "libnl-genl-3-200",
    "libssl3t64",
];

/// Files out of packages whose other files and dependencies have no place on the board: package, its release, what is taken.
pub(super) const PICKED: &[(&str, &str, &[&str])] = &[
    // Debian 13's own RAUC 1.13 loses a race with udev when it streams.
    ("rauc", "sid", &["./usr/bin/rauc"]),
    ("rauc-service", "sid", &["./usr/lib/systemd/*", "./usr/share/dbus-1/*"]),
    ("libnl-3-200", "sid", &["*/libnl-3.so.200*"]),
    ("libnl-genl-3-200", "sid", &["*/libnl-genl-3.so.200*"]),
    (
        "gstreamer1.0-plugins-base",
        SUITE,
        &[
            "*/libgstapp.so",
            "*/libgstvideoconvertscale.so",
            "*/libgstvideorate.so",
            "*/libgstvideotestsrc.so",
        ],
    ),
    ("gstreamer1.0-plugins-good", SUITE, &["*/libgstjpeg.so", "*/libgstvideo4linux2.so"]),
    ("gstreamer1.0-plugins-bad", SUITE, &["*/libgstopenh264.so", "*/libgstvideoparsersbad.so"]),
    ("libgstreamer-plugins-bad1.0-0", SUITE, &["*/libgstcodecparsers-1.0.so.*"]),
];

/// Kernel modules, each with those it needs. What is built into Debian's kernel is not listed.
pub(super) const MODULES: &[&str] = &[
    // QEMU's disk, network, random numbers, watchdog
    "virtio_blk",
    "virtio_net",
    "virtio_rng",
    "rtc-pl031",
    "i6300esb",
    "softdog",
    // file systems of slots, card and USB sticks; RAUC's verity bundles over the network
    "ext4",
    "vfat",
    "nls_ascii",
    "nls_cp437",
    "nls_iso8859-1",
    "squashfs",
    "loop",
    "nbd",
    "dm-mod",
    "dm-verity",
    "sha256-arm64",
    "sha2-ce",
    "usb-storage",
    "xhci-pci",
    "sd_mod",
    "autofs4",
    "overlay",
    // cameras on the board, and one made up by the kernel
    "uvcvideo",
    "vivid",
    // firewall
    "nf_tables",
    "nft_ct",
    "nft_limit",
    "nft_fib_inet",
    "nft_reject_inet",
    "nf_conntrack",
    "af_packet",
];

/// Of these, what the first stage needs to find and mount the root; and two that RAUC opens by nodes of theirs, which no program has
/// to make so.
pub(super) const FIRST_MODULES: &[&str] = &["virtio_blk", "ext4", "loop", "dm-mod"];

/// Left out of every package.
pub(super) const LEFT_OUT: &[&str] = &[
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
];
