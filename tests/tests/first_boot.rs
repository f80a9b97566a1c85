//! A board that knows no Wi-Fi, with a cable in place of its radio: a phone gets an address, is led to the form whatever it asks for,
//! names a network, and the board has it in its file. What hostapd and wpa_supplicant do on the air needs a radio.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::network::{self, Service, Space};
use nightjar_tests::{clock, parts, skip};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const BOARD: &str = "10.77.0.1";

fn file(name: &str) -> String {
    parts::board_files().join(name).display().to_string()
}

/// One request of a phone, and all of the answer.
fn ask(phone: &Space, request: &str) -> std::io::Result<String> {
    phone.enter(|| {
        let mut stream =
            TcpStream::connect_timeout(&format!("{BOARD}:80").parse().unwrap(), Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })
}

fn get(phone: &Space, host: &str, path: &str) -> std::io::Result<String> {
    ask(phone, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
}

#[test]
fn a_phone_is_led_to_the_form_and_names_the_network() {
    if let Some(why) = network::why_not() {
        return skip::skip("first boot", &why);
    }
    let [air, board, phone] = ["air", "ap", "guest"].map(|name| Space::new(name).unwrap());
    air.switch("air");
    board.plug("wlan0", &air, "air");
    phone.plug("eth0", &air, "air");
    let folder = TempDir::new().unwrap();
    let etc = folder.path().join("etc");
    fs::create_dir(&etc).unwrap();
    // the firewall is up, and lets a phone in only as far as it must
    let env = |command: &mut Command| {
        command.env("CAMERA_SIDE", "eth9").env("USER_SIDE", "wlan0");
        command.env("NIGHTJAR_RULES", parts::board_files());
        command.env("NIGHTJAR_RUN", folder.path()).env("NIGHTJAR_ETC", &etc).env("NIGHTJAR_RADIO", "wlan0");
        command.env("NIGHTJAR_CABLE_S", "1").env("NIGHTJAR_PROGRAM", parts::program("nightjar"));
    };
    let mut load = board.command(&["sh", &file("nightjar-isolation"), "load"]);
    env(&mut load);
    assert!(load.status().unwrap().success());
    let mut setup = board.command(&["sh", &file("nightjar-setup")]);
    env(&mut setup);
    let mut setup = Service::start(setup);

    let lease = phone.lease("eth0", 20, "114", folder.path());
    let said = |name: &str| lease.said(name).unwrap_or_default();
    assert_eq!((said("router"), said("dns")), (BOARD, BOARD), "{lease:?}");
    let portal: String = format!("http://{BOARD}/").bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said("opt114"), portal, "the portal's address (RFC 8910): {lease:?}");
    phone.ip(&["address", "add", &format!("{}/24", said("ip")), "dev", "eth0"]);
    phone.ip(&["route", "add", "default", "via", BOARD]);

    let names = phone.output(&["busybox", "nslookup", "connectivitycheck.gstatic.com", BOARD]);
    assert!(
        names.rsplit("connectivitycheck").next().unwrap().contains(BOARD),
        "every name is the board: {names}"
    );
    let led = clock::until("the form is there", 20, || {
        get(&phone, "connectivitycheck.gstatic.com", "/generate_204").ok()
    });
    assert!(led.contains(&format!("302 Found\r\nLocation: http://{BOARD}/\r\n")), "{led}");
    let form = get(&phone, BOARD, "/").unwrap();
    assert!(form.contains("Which Wi-Fi") && form.contains(&format!("https://{BOARD}:8443/")), "{form}");

    let body = "ssid=Barn+2&key=correct+horse&zone=Europe%2FBerlin";
    let head = format!("POST /join HTTP/1.1\r\nHost: {BOARD}\r\nContent-Length: {}\r\n\r\n", body.len());
    let thanks = ask(&phone, &(head + body)).unwrap();
    assert!(thanks.contains("It joins Barn 2"), "{thanks}");
    let wifi = clock::until("the board has the network in its file", 20, || {
        fs::read_to_string(etc.join("wifi.conf")).ok()
    });
    assert!(
        wifi.contains("ssid=4261726e2032\n") && wifi.contains("sae_password=636f727265637420686f727365\n"),
        "{wifi}"
    );
    assert_eq!(fs::metadata(etc.join("wifi.conf")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(etc.join("environment")).unwrap(), "TZ=Europe/Berlin\n");
    assert!(setup.ends_within(20).success());

    // nothing of it is left: no server, no hole in the firewall
    let rules = board.output(&["nft", "list", "chain", "inet", "nightjar", "while_set_up"]);
    assert!(!rules.contains("accept"), "{rules}");
    assert!(get(&phone, BOARD, "/").is_err());
    clock::until("every program of it has ended", 10, || {
        let pids = Command::new("ip").args(["netns", "pids", board.name()]).output().unwrap();
        pids.stdout.is_empty().then_some(())
    });

    // the access point's own settings: WPA2 with the word that the board made
    let (ap, word) = (
        fs::read_to_string(folder.path().join("nightjar-setup/hostapd.conf")).unwrap(),
        fs::read_to_string(etc.join("setup.psk")).unwrap(),
    );
    assert_eq!(word.len(), 10);
    assert!(
        ap.contains(&format!("wpa_passphrase={word}\n"))
            && ap.contains("ssid=Nightjar-")
            && ap.contains("wpa=2\n"),
        "{ap}"
    );
    // and hostapd takes them, on a radio that is none
    let tried = folder.path().join("tried.conf");
    fs::write(&tried, ap.replace("driver=nl80211", "driver=none")).unwrap();
    let said = board.run(&["timeout", "2", "/usr/sbin/hostapd", tried.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("AP-ENABLED"), "{said}");
}
