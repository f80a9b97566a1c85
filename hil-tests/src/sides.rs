//! Two more network cards of the board in QEMU → a camera on one side of it, a phone and the internet on the other: namespaces
//! of this machine, whose kernel sends and counts.

use anyhow::{Result, bail};
use nightjar_tests::network::{self, Space};
use std::net::Ipv4Addr;
use std::process::Command;

pub(crate) const CAMERA: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 12);
pub(crate) const BOARD_FOR_CAMERAS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const PHONE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 20);
pub(crate) const BOARD_FOR_PHONES: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
/// Where the board finds the internet.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 254);

/// A card that the board was given: the interface of this machine at its other end, and the hardware address that the board knows it by.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    pub(crate) tap: String,
    pub(crate) mac: String,
}

/// What hangs on the two cards.
pub(crate) struct Sides {
    pub(crate) camera: Space,
    pub(crate) phone: Space,
    pub(crate) internet: Space,
    _switches: Space,
}

impl Sides {
    /// Whether this machine can make them, for the table of needs.
    pub(crate) fn can_be() -> bool {
        std::path::Path::new("/dev/net/tun").exists() && network::why_not().is_none()
    }

    /// Takes the far ends of the cards away from this machine's own network.
    pub(crate) fn new([camera_card, user_card]: &[Card; 2]) -> Result<Self> {
        let space = |name: &str| Space::new(name).map_err(anyhow::Error::msg);
        let [switches, camera, phone, internet] =
            [space("switches")?, space("camera")?, space("phone")?, space("internet")?];
        for (card, switch) in [(camera_card, "cams"), (user_card, "lan")] {
            switches.switch(switch);
            let moved =
                Command::new("ip").args(["link", "set", &card.tap, "netns", switches.name()]).status();
            if !moved.is_ok_and(|status| status.success()) {
                bail!("{} can't be moved to a namespace", card.tap);
            }
            switches.ip(&["link", "set", &card.tap, "master", switch]);
            switches.ip(&["link", "set", &card.tap, "up"]);
        }
        for (space, switch) in [(&camera, "cams"), (&phone, "lan"), (&internet, "lan")] {
            space.plug("eth0", &switches, switch);
        }
        // The camera has settings of its own that name the board as its gateway, as an attacker's would; so have the others.
        camera.ip_lines(&format!(
            "address add {CAMERA}/24 dev eth0\nroute add default via {BOARD_FOR_CAMERAS}"
        ));
        phone.ip_lines(&format!(
            "address add {PHONE}/24 dev eth0\nroute add 10.9.0.0/24 via {BOARD_FOR_PHONES}"
        ));
        internet.ip_lines(&format!(
            "address add {ROUTER}/24 dev eth0\naddress add {INTERNET}/32 dev lo\n\
                 route add 10.9.0.0/24 via {BOARD_FOR_PHONES}"
        ));
        Ok(Self { camera, phone, internet, _switches: switches })
    }
}
