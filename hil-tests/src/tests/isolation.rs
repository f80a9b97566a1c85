//! Cameras on a side of their own: what is on the image keeps them apart, on the board's own kernel.

use super::setting::{PATIENCE, configure, flash, recording};
use crate::bed::Bed;
use crate::clock;
use crate::page;
use crate::sides::{BOARD_FOR_CAMERAS, BOARD_FOR_PHONES, CAMERA, INTERNET, PHONE, ROUTER, Sides};
use crate::suite::Lab;
use anyhow::{Context, Result, bail};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::{parts, probing};
use std::time::Duration;

/// The page's port, and that of a shell.
const PORTS: [u16; 2] = [8443, 22];
/// An emulated board takes its time to answer.
const PATIENCE_OF_A_CLIENT: Duration = Duration::from_secs(3);

pub(super) fn holds(lab: &mut Lab) -> Result<String> {
    flash(lab)?;
    let cards = lab.bed.power_on_with_sides()?;
    let sides = Sides::new(&cards)?;
    lab.bed.awake(PATIENCE)?;
    let bed = lab.bed.as_ref();
    let [camera_side, user_side] = [port(bed, &cards[0].mac)?, port(bed, &cards[1].mac)?];
    // The side of people: an address as their router would give it, and the way to the internet.
    let network = format!(
        "[Match]\nName={user_side}\n[Network]\nAddress={BOARD_FOR_PHONES}/24\n\
         [Route]\nDestination={INTERNET}/32\nGateway={ROUTER}\n"
    );
    bed.run("mkdir -p /run/systemd/network")?;
    bed.push(network.as_bytes(), "/run/systemd/network/05-board-tests.network")?;
    bed.run(&format!("networkctl reload && networkctl reconfigure {user_side}"))?;

    // A router, as a board without our rules may be: everything arrives, so these probes prove something.
    let forwarding = |on: u8| bed.run(&format!("echo {on} > /proc/sys/net/ipv4/ip_forward")).map(drop);
    bed.run(&format!(
        "ip address add {BOARD_FOR_CAMERAS}/24 dev {camera_side} && ip link set {camera_side} up"
    ))?;
    forwarding(1)?;
    let open = clock::until("every probe arrives at a board that is a router", 120, || {
        let arrived = attack(&sides);
        Ok(arrived.iter().all(|(_, count)| *count > 0).then_some(arrived))
    })?;

    // As its owner switches it on: the name of each side, and the units that wait for it.
    let main = bed.run("ip -o route get 10.0.2.2 | sed 's/.* dev \\([^ ]*\\).*/\\1/'")?;
    bed.run(&format!(
        "sed -e 's/^CAMERA_SIDE=.*/CAMERA_SIDE={camera_side}/' -e 's/^USER_SIDE=.*/USER_SIDE={main},{user_side}/' \
         /usr/share/nightjar/network.env > /etc/nightjar/network.env && \
         systemctl start nightjar-isolation.service nightjar-cameras.service nightjar-isolation-report.timer"
    ))?;
    // Forwarding is still on: the firewall alone holds. Then as the image has it.
    let mut refused = nothing_arrives("the firewall", &sides)?;
    forwarding(0)?;
    refused += nothing_arrives("the board", &sides)?;

    let folder = std::env::temp_dir().join(format!("nightjar-hil-lease-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("no temporary folder")?;
    let lease = sides.camera.lease("eth0", 20, "ntpsrv", &folder);
    let told = (lease.said("router"), lease.said("dns"), lease.said("ntpsrv"));
    if !lease.said("ip").is_some_and(|ip| ip.starts_with("10.9.0.")) || told != (None, None, Some("10.9.0.1"))
    {
        bail!("a camera that asks for an address is told {lease:?}");
    }
    let (knows, said) = sides.camera.asks_time(BOARD_FOR_CAMERAS, 20, &folder);
    std::fs::remove_dir_all(&folder).context("the temporary folder stays")?;
    if !knows {
        bail!("a camera that asks for the time gets none: {said}");
    }
    for port in PORTS {
        for (who, space, to, may) in [
            ("the camera", &sides.camera, BOARD_FOR_CAMERAS, false),
            ("the camera", &sides.camera, BOARD_FOR_PHONES, false),
            ("the phone", &sides.phone, BOARD_FOR_CAMERAS, false),
            ("the phone", &sides.phone, BOARD_FOR_PHONES, true),
        ] {
            if space.connects(to, port, PATIENCE_OF_A_CLIENT) != may {
                bail!("{who} and {to}:{port}: {}", if may { "no connection" } else { "a connection" });
            }
        }
    }

    // A camera there is recorded, and Health says what it tried.
    let settings = Settings { address: Some(CAMERA), ..Settings::default() };
    let camera =
        sides.camera.enter(|| FakeCamera::start(vec![Clip::read(&parts::clip("sub.mp4"), 10)], settings));
    configure(lab, &format!("[[camera]]\nid = \"barn\"\nmain = \"{}\"\ndetect = false\n", camera.url()))?;
    let page = recording(lab)?;
    page::records(&page, &["barn"], PATIENCE)?;
    lab.bed.run("systemctl start nightjar-isolation-report.service")?;
    let start = format!("camera barn ({CAMERA}) tried {INTERNET}: blocked ");
    let words = clock::until("Health says what was blocked", PATIENCE, || {
        let isolation = page.json("/api/v1/health")?["isolation"].clone();
        let attempts = isolation["attempts"].as_array().into_iter().flatten();
        let words =
            attempts.filter_map(|attempt| attempt["words"].as_str()).find(|words| words.starts_with(&start));
        Ok(words.filter(|_| isolation["in_force"] == true).map(str::to_owned))
    })?;
    drop((camera, sides));
    lab.bed.run("rm /etc/nightjar/network.env && sync")?;
    lab.bed.power_cut()?;
    Ok(format!(
        "0 of {refused} packets passed, both directions, with forwarding on and off ({} as a router); a camera gets address and time \
         and is recorded; {words}",
        open.iter().map(|(_, count)| count).sum::<u64>()
    ))
}

/// The board's name of the card with this hardware address.
fn port(bed: &dyn Bed, mac: &str) -> Result<String> {
    bed.run(&format!("grep -il {mac} /sys/class/net/*/address | cut -d/ -f5"))
}

/// Probes from either side to the other; what arrived there, kind by kind.
fn attack(sides: &Sides) -> Vec<(String, u64)> {
    let far = [("the camera", &sides.camera), ("the phone", &sides.phone), ("the internet", &sides.internet)];
    far.iter().for_each(|(_, space)| probing::count_at(space));
    for to in [PHONE, INTERNET] {
        probing::send_all(&sides.camera, to.into());
        probing::send_as(&sides.camera, CAMERA, to);
        probing::send_like_dhcp(&sides.camera, CAMERA, to);
    }
    for (space, from) in [(&sides.phone, PHONE), (&sides.internet, INTERNET)] {
        probing::send_all(space, CAMERA.into());
        probing::send_as(space, from, CAMERA);
        probing::send_like_dhcp(space, from, CAMERA);
    }
    probing::arrived_at(&far)
}

/// How many were sent, none of which arrived.
fn nothing_arrives(through: &str, sides: &Sides) -> Result<u64> {
    let arrived = attack(sides);
    if arrived.iter().any(|(_, count)| *count > 0) {
        bail!("through {through}: {arrived:?}");
    }
    // From the camera to two, and from two to the camera.
    Ok(4 * probing::SENT)
}
