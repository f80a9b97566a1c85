//! A camera on the board, end to end: `nightjar-eye capture` → nightjar → files; killed, hung, missing. FFmpeg is the judge.
//! The camera is GStreamer's test picture, which takes the same way as a webcam.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::clock;
use nightjar_tests::daemon::{camera_status, coverage, covered_ms, gap_causes, is_alive, signal};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::probe::{self, Track};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const FPS: i64 = 10;

/// Capture processes of a daemon: its children by that name.
fn captures(daemon: u32) -> Vec<u32> {
    let is_ours = |pid: &u32| {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let stat = read("stat");
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parent == Some(daemon) && read("cmdline").split('\0').nth(1) == Some("capture") && is_alive(*pid)
    };
    let names =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).filter(is_ours).collect()
}

/// Whether each picture of a file is a key frame, as ffprobe sees it.
fn keys(file: &Path) -> Vec<bool> {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0"]);
    let out = probe.arg(file).output().expect("ffprobe is installed");
    String::from_utf8_lossy(&out.stdout).lines().map(|line| line.starts_with('K')).collect()
}

/// The files of a stream play from end to end; their times rise, and key frames come as often as they were asked for.
fn assert_recorded(home: &Home, camera: &str, stream: &str, size: (u32, u32), gop: usize) -> usize {
    let slabs = home.slabs(camera, stream);
    let mut pictures = 0;
    for slab in &slabs {
        probe::assert_plays(slab);
        assert_eq!(probe::size(slab), size, "{camera} {stream}");
        let units = probe::units(slab, Track::Video);
        assert!(units.windows(2).all(|two| two[1].pts_us > two[0].pts_us), "{}: times rise", slab.display());
        let keys = keys(slab);
        assert!(keys.first() == Some(&true), "{}: begins with a key frame", slab.display());
        let apart = keys.split(|is_key| *is_key).map(|between| between.len() + 1).max().unwrap_or(0);
        assert!(
            apart <= gop,
            "{}: {apart} pictures from key frame to key frame, {gop} were asked for",
            slab.display()
        );
        pictures += units.len();
    }
    pictures
}

#[test]
fn cameras_on_the_board_are_recorded_and_looked_at_and_come_back_after_a_kill() {
    let mut home = Home::new();
    let raw =
        Camera::new("raw", "test:?size=640x360&fps=10&gop=1s").sub_stream("test:?size=320x180&fps=5&gop=2s");
    home.camera(raw.detect(true));
    home.camera(Camera::new("jpeg", "test:smpte?size=320x240&fps=10&gop=1s&format=mjpeg").detect(false));
    home.camera(Camera::new("coded", "test:?size=320x240&fps=10&gop=2s&format=h264").detect(false));
    let daemon = home.start();
    let admin = daemon.admin();
    for camera in ["raw", "jpeg", "coded"] {
        daemon.until_state(&admin, camera, &["recording"], 120);
    }
    assert_eq!(captures(daemon.pid()).len(), 3, "one process a camera, not a stream");
    clock::until("the eye decodes the sub stream", 120, || {
        (admin.json("/api/v1/health")["eye"]["decoded"].as_u64()? > 0).then_some(())
    });
    clock::until("5 s of footage", 60, || {
        (covered_ms(&coverage(&admin, "raw", "main")) >= 5_000).then_some(())
    });

    // The detector dies: no camera notices.
    let eye = admin.json("/api/v1/health")["eye"]["pid"].as_u64().unwrap() as u32;
    let sessions = |camera: &str| camera_status(&admin, camera)["streams"][0]["sessions"].as_u64().unwrap();
    let before: Vec<u64> = ["raw", "jpeg", "coded"].map(sessions).into();
    signal(eye, Signal::KILL);
    clock::until("another eye runs", 60, || {
        let now = admin.json("/api/v1/health")["eye"].clone();
        (now["state"] == "running" && now["pid"].as_u64() != Some(u64::from(eye))).then_some(())
    });
    assert_eq!(
        ["raw", "jpeg", "coded"].map(sessions).to_vec(),
        before,
        "a detector that dies costs no footage"
    );

    // Every capture process dies: a gap with its cause, and on it goes.
    for pid in captures(daemon.pid()) {
        signal(pid, Signal::KILL);
    }
    for camera in ["raw", "jpeg", "coded"] {
        clock::until("a gap is written down", 60, || {
            let cover = coverage(&admin, camera, "main");
            (gap_causes(&cover) == ["disconnected"] && cover["gaps"][0]["to_ms"].is_i64()).then_some(())
        });
        daemon.until_state(&admin, camera, &["recording"], 60);
    }
    clock::until("both streams of a camera come back", 60, || {
        let streams = camera_status(&admin, "raw")["streams"].clone();
        streams.as_array()?.iter().all(|s| s["state"] == "recording").then_some(())
    });

    // One hangs, as with a driver that does.
    let hung = captures(daemon.pid());
    signal(hung[0], Signal::STOP);
    clock::until("the silence is noticed and the process replaced", 60, || {
        let now = captures(daemon.pid());
        (now.len() == 3 && !now.contains(&hung[0])).then_some(())
    });
    for camera in ["raw", "jpeg", "coded"] {
        daemon.until_state(&admin, camera, &["recording"], 60);
    }
    let stalled = ["raw", "jpeg", "coded"].map(|camera| gap_causes(&coverage(&admin, camera, "main")));
    assert_eq!(
        stalled.iter().filter(|causes| causes.contains(&"stalled".to_owned())).count(),
        1,
        "{stalled:?}"
    );

    let last = captures(daemon.pid());
    assert!(daemon.stop().success(), "SIGTERM ends it with 0");
    clock::until("no capture outlives its recorder", 15, || {
        last.iter().all(|pid| !is_alive(*pid)).then_some(())
    });
    let rows = [
        ("raw", "main", (640, 360), 10),
        ("raw", "sub", (320, 180), 10),
        ("jpeg", "main", (320, 240), 10),
        ("coded", "main", (320, 240), 20),
    ];
    for (camera, stream, size, gop) in rows {
        let pictures = assert_recorded(&home, camera, stream, size, gop);
        println!(
            "{camera} {stream}: {pictures} pictures in {} files, all play",
            home.slabs(camera, stream).len()
        );
        assert!(pictures as i64 > 3 * FPS, "{camera} {stream}: {pictures} pictures");
    }
}

#[test]
fn a_camera_that_is_missing_is_said_on_the_page_and_harms_no_other() {
    let mut home = Home::new();
    home.camera(Camera::new("usb", "v4l2:by-id/usb-no-such-camera").detect(false));
    home.camera(Camera::new("pi", "csi:200").detect(false));
    home.camera(Camera::new("good", "test:?size=160x120&fps=10").detect(false));
    let daemon = home.start();
    let admin = daemon.admin();
    daemon.until_state(&admin, "good", &["recording"], 120);
    let error = |camera: &str| -> String {
        clock::until("the fault is told", 60, || {
            let status: Value = camera_status(&admin, camera);
            Some(status["streams"][0]["error"].as_str()?.to_owned())
        })
    };
    let usb = error("usb");
    assert!(usb.contains("v4l2:by-id/usb-no-such-camera") && usb.contains("plugged in"), "{usb}");
    let pi = error("pi");
    assert!(pi.contains("csi:200") && pi.contains("libcamera"), "{pi}");
    assert_eq!(camera_status(&admin, "usb")["state"], "offline");
    assert!(daemon.stop().success());
}

#[test]
fn an_address_that_makes_no_sense_is_refused_with_its_mend() {
    let mut home = Home::new();
    home.camera(Camera::new("usb", "v4l2:/dev/video0"));
    home.camera(Camera::new("wide", "test:?size=641x360"));
    let ended = home.verb(&["config", "check"]);
    assert_ne!(ended.code, Some(0));
    for words in ["camera \"usb\": main: v4l2:", "nightjar-eye cameras", "camera \"wide\": main: test: size"]
    {
        assert!(ended.said.contains(words), "{}", ended.said);
    }
}
