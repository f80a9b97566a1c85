//! The firewall, DHCP and time service that are shipped, between network namespaces: nothing gets from the cameras' side to
//! the people's or out, nor back, and what has to work does. Without them the same packets arrive, so the probes prove something.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::network::{self, Service, Space};
use nightjar_tests::{clock, parts, probing, skip};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const CAMERA: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 12);
const BOARD_FOR_CAMERAS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const BOARD: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const PHONE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 20);
const INTERNET: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
/// Of a kind that arrive at each place through a router: two senders, two addresses, three times.
const PROBES: u64 = 12;
/// As README and config speak of: the page for phones on the network.
const PAGE: u16 = 8443;
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// Four machines round a board. The camera has settings of its own that name the board as gateway, as an attacker's would.
struct World {
    board: Space,
    camera: Space,
    attacker: Space,
    phone: Space,
    internet: Space,
    _switches: Space,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let [switches, board, camera, attacker, phone, internet] =
            ["switches", "board", "camera", "attacker", "phone", "internet"].map(|n| Space::new(n).unwrap());
        switches.switch("cams");
        switches.switch("lan");
        let board_mac = board.plug("cam0", &switches, "cams");
        let board_lan_mac = board.plug("lan0", &switches, "lan");
        for (space, switch) in [(&camera, "cams"), (&attacker, "cams"), (&phone, "lan"), (&internet, "lan")] {
            space.plug("eth0", &switches, switch);
        }
        let world = Self {
            board,
            camera,
            attacker,
            phone,
            internet,
            _switches: switches,
            folder: TempDir::new().unwrap(),
        };
        world.board.ip_lines("address add 10.9.0.1/24 dev cam0\n-6 address add fd09::1/64 dev cam0 nodad");
        world
            .board
            .ip_lines("address add 192.168.77.1/24 dev lan0\n-6 address add fd77::1/64 dev lan0 nodad");
        world.board.ip_lines("route add default via 192.168.77.254\n-6 route add default via fd77::fe");
        world.camera.ip_lines("address add 10.9.0.12/24 dev eth0\n-6 address add fd09::12/64 dev eth0 nodad");
        world
            .attacker
            .ip_lines("address add 10.9.0.66/24 dev eth0\n-6 address add fd09::66/64 dev eth0 nodad");
        for space in [&world.camera, &world.attacker] {
            space.ip_lines("route add default via 10.9.0.1\n-6 route add default via fd09::1");
            space.ip_lines(&format!("-6 neighbor add fd09::1 lladdr {board_mac} dev eth0 nud permanent"));
        }
        world
            .phone
            .ip_lines("address add 192.168.77.20/24 dev eth0\n-6 address add fd77::20/64 dev eth0 nodad");
        world
            .internet
            .ip_lines("address add 192.168.77.254/24 dev eth0\n-6 address add fd77::fe/64 dev eth0 nodad");
        world.internet.ip_lines("address add 8.8.8.8/32 dev lo\n-6 address add 2001:db8::8/128 dev lo");
        for space in [&world.phone, &world.internet] {
            space.ip_lines("route add 10.9.0.0/24 via 192.168.77.1\n-6 route add fd09::/64 via fd77::1");
            space.ip_lines(&format!("-6 neighbor add fd77::1 lladdr {board_lan_mac} dev eth0 nud permanent"));
        }
        world
    }

    /// One of the files of the image.
    fn file(name: &str) -> String {
        parts::board_files().join(name).display().to_string()
    }

    /// `nightjar-isolation` as its units run it, but for the names of the sides.
    fn isolation(&self, words: &[&str]) -> Command {
        let script = Self::file("nightjar-isolation");
        let mut command = self.board.command(&[&["sh", &script], words].concat());
        let settings = std::fs::read_to_string(Self::file("network.env")).unwrap();
        let pairs = settings.lines().filter(|l| !l.starts_with('#')).filter_map(|line| line.split_once('='));
        command.envs(pairs).env("CAMERA_SIDE", "cam0").env("USER_SIDE", "wlan0,lan0");
        command.env("NIGHTJAR_RULES", parts::board_files()).env("NIGHTJAR_RUN", self.folder.path());
        command
    }

    #[track_caller]
    fn isolate(&self, verb: &str) {
        let out = self.isolation(&[verb]).output().unwrap();
        assert!(out.status.success(), "{verb}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// Sends everything there is from everybody to everybody on the other side; what arrived, kind by kind, by direction.
    fn attack(&self) -> Vec<(String, u64)> {
        let far: [(&str, &Space); 3] =
            [("camera", &self.camera), ("phone", &self.phone), ("internet", &self.internet)];
        far.iter().for_each(|(_, space)| probing::count_at(space));
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        let outwards = [PHONE.into(), INTERNET.into(), v6("fd77::20"), v6("2001:db8::8")];
        let inwards = [CAMERA.into(), v6("fd09::12")];
        std::thread::scope(|scope| {
            for from in [&self.camera, &self.attacker] {
                outwards.iter().for_each(|to| drop(scope.spawn(move || probing::send_all(from, *to))));
            }
            for from in [&self.phone, &self.internet] {
                inwards.iter().for_each(|to| drop(scope.spawn(move || probing::send_all(from, *to))));
            }
        });
        // with an address of the other side, of nobody, and of the board itself
        for from in [PHONE, Ipv4Addr::new(203, 0, 113, 5), BOARD] {
            probing::send_as(&self.attacker, from, INTERNET);
            probing::send_as(&self.attacker, from, PHONE);
        }
        for from in [BOARD_FOR_CAMERAS, Ipv4Addr::new(10, 9, 0, 66), PHONE] {
            probing::send_as(&self.phone, from, CAMERA);
        }
        probing::send_like_dhcp(&self.attacker, Ipv4Addr::new(10, 9, 0, 66), INTERNET);
        probing::send_like_dhcp(&self.attacker, Ipv4Addr::new(10, 9, 0, 66), PHONE);
        probing::send_like_dhcp(&self.phone, PHONE, CAMERA);
        probing::arrived_at(&far)
    }
}

#[test]
fn cameras_reach_nobody_and_nobody_reaches_them() {
    if let Some(why) = network::why_not() {
        return skip::skip("isolation", &why);
    }
    let world = World::new();

    // a board that is a router: every kind of packet arrives everywhere
    let router = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"];
    let loose = ["net.ipv4.conf.cam0.rp_filter=0", "net.ipv4.conf.lan0.rp_filter=0"];
    world.board.output(&[&["sysctl", "-q", "-w"], &router[..], &loose].concat());
    // All of them at once: what waits for a neighbour's address would arrive when the next ones are counted.
    clock::until("every probe arrives", 60, || {
        let arrived = world.attack();
        let all = |(kind, n): &(String, u64)| {
            *n >= if kind.contains("spoofed") || kind.contains("dhcp") { 1 } else { PROBES }
        };
        (arrived.len() == 15 && arrived.iter().all(all)).then_some(())
    });

    // the same board with what is shipped, forwarding still on: the firewall alone holds
    world.isolate("load");
    world.isolate("side");
    let arrived = world.attack();
    assert!(arrived.iter().all(|(_, n)| *n == 0), "through the firewall: {arrived:?}");

    // as shipped
    world.board.output(&["sysctl", "-q", "-p", &World::file("isolation.sysctl.conf")]);
    let arrived = world.attack();
    assert!(arrived.iter().all(|(_, n)| *n == 0), "through the board: {arrived:?}");
    // and the kernel's settings alone, should the rules be gone
    world.isolate("unload");
    let arrived = world.attack();
    assert!(arrived.iter().all(|(_, n)| *n == 0), "through a board without rules: {arrived:?}");
    world.isolate("load");

    cameras_get_address_and_time(&world);
    the_recorder_works_between_them(&world);
}

/// A DHCP client and an NTP client that are not ours get what they need, and no way out.
fn cameras_get_address_and_time(world: &World) {
    let state = world.folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(world.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let _dhcp = Service::start(world.isolation(&["dhcp", &state.display().to_string()]));
    let lease = world.attacker.lease("eth0", 10, "ntpsrv", world.folder.path());
    assert!(lease.said("ip").unwrap().starts_with("10.9.0."), "{lease:?}");
    let told = (lease.said("router"), lease.said("dns"), lease.said("ntpsrv"));
    assert_eq!(told, (None, None, Some("10.9.0.1")), "{lease:?}");

    let own = |name: &str| format!("pidfile {}", world.folder.path().join(name).display());
    let conf = world.folder.path().join("chrony.conf");
    let more =
        format!("include {}\n{}\nbindcmdaddress /\n", World::file("cameras.chrony.conf"), own("server.pid"));
    std::fs::write(&conf, more).unwrap();
    let chronyd = ["chronyd", "-d", "-x", "-u", "root", "-f", conf.to_str().unwrap()];
    let _ntp = Service::start(world.board.command(&chronyd));
    let (knows, said) = world.camera.asks_time(BOARD_FOR_CAMERAS, 5, world.folder.path());
    assert!(knows, "the camera gets the time: {said}");
    let (knows, said) = world.phone.asks_time(BOARD, 5, world.folder.path());
    assert!(!knows, "only cameras get the time: {said}");
}

/// The recorder records the camera and shows the page to the phone alone; Health says what was blocked.
fn the_recorder_works_between_them(world: &World) {
    let clip = Clip::read(&parts::clip("sub.mp4"), 10);
    let settings = Settings { address: Some(CAMERA), ..Settings::default() };
    let camera = world.camera.enter(|| FakeCamera::start(vec![clip], settings));
    // as a camera that calls home: three packets to a port of the internet, and one look at the page
    probing::count_at(&world.internet);
    world.isolate("load"); // counts from nothing
    probing::send_all(&world.camera, INTERNET.into());
    std::fs::create_dir(world.folder.path().join("nightjar-isolation")).unwrap();
    world.isolate("report");

    let mut home = Home::new();
    home.section("web", &format!("listen = \"0.0.0.0:{PAGE}\"\ntls = \"off\""));
    home.camera(Camera::new("front", &camera.url()).detect(false));
    home.environment("NIGHTJAR_RUN", &world.folder.path().display().to_string());
    let daemon = world.board.enter(|| home.spawn());
    let page = Api::new(&format!("http://{BOARD}:{PAGE}"));
    world.phone.enter(|| {
        clock::until("the phone sees the page", 60, || {
            page.try_get("/healthz", &[]).ok().filter(|answer| answer.status == 200)
        });
        let admin = page.set_up(&daemon.setup_code(), "tester", "correct horse 42");
        daemon.until_state(&admin, "front", &["recording"], 60);
        let health = clock::until("Health says what was blocked", 60, || {
            let health = admin.json("/api/v1/health");
            (!health["isolation"].is_null()).then_some(health)
        });
        let isolation = &health["isolation"];
        assert_eq!(isolation["in_force"], true, "{isolation}");
        assert!(health["problems"].as_array().unwrap().is_empty(), "{health}");
        let first = &isolation["attempts"][0];
        let times = first["times"].as_u64().unwrap();
        assert!(times >= 9, "three times TCP, UDP, ICMP: {isolation}");
        let words = format!("camera front ({CAMERA}) tried {INTERNET}: blocked {times} times");
        assert_eq!(first["words"], words.as_str(), "{isolation}");
    });
    for (who, space) in [("camera", &world.camera), ("attacker", &world.attacker)] {
        for (to, port) in [
            (BOARD_FOR_CAMERAS, PAGE),
            (BOARD, PAGE),
            (BOARD_FOR_CAMERAS, 22),
            (BOARD, 22),
            (BOARD_FOR_CAMERAS, 53),
        ] {
            assert!(!space.connects(to, port, HALF_A_SECOND), "{who} reaches {to}:{port}");
        }
    }
    assert!(
        !world.phone.connects(BOARD_FOR_CAMERAS, PAGE, HALF_A_SECOND),
        "the address behind the board does not exist for a phone"
    );
    assert!(world.phone.connects(BOARD, PAGE, HALF_A_SECOND));
    assert!(probing::arrived(&world.internet).values().all(|n| *n == 0));
    assert!(daemon.stop().success());
}

#[test]
fn a_board_whose_sides_are_not_named_is_told_so() {
    let script = World::file("nightjar-isolation");
    let said = |settings: &[(&str, &str)]| {
        let mut command = Command::new("sh");
        let out = command.arg(&script).arg("load").env_clear().envs(settings.iter().copied());
        let out = out.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap();
        assert!(!out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert!(
        said(&[("USER_SIDE", "wlan0")]).contains("CAMERA_SIDE: is not set: see /etc/nightjar/network.env")
    );
    assert!(said(&[("CAMERA_SIDE", "eth0"), ("USER_SIDE", "wlan0,eth0")]).contains("eth0 is on both sides"));
}
