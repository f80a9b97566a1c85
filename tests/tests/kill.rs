//! kill -9 at seeded moments: of the eye it costs nothing, of the recorder at most a second and no file.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, coverage, covered_ms, gap_causes, is_alive, signal};
use nightjar_tests::fake_camera::{Clip, FakeCamera, Settings};
use nightjar_tests::home::{Camera, Home};
use nightjar_tests::parts;
use nightjar_tests::probe::{self, Track};
use nightjar_tests::rtsp_server::{RtspServer, served};
use nightjar_tests::seed::Seed;
use rustix::process::Signal;

const FPS: u32 = 10;

#[test]
fn a_killed_eye_comes_back_and_costs_no_frame() {
    let mut seed = Seed::from_env(21);
    let server = RtspServer::start(1);
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &server.url(1, "main")).sub_stream(&server.url(1, "sub")).detect(true));
    let daemon = home.start();
    let admin = daemon.admin();
    daemon.until_state(&admin, "cam01", &["recording"], 60);
    let mut last_pid = 0;
    let mut running_eye = || {
        let pid = clock::until("a new eye runs", 60, || {
            let eye = admin.json("/api/v1/health")["eye"].clone();
            let pid = eye["pid"].as_u64()? as u32;
            (eye["state"] == "running" && pid != last_pid).then_some(pid)
        });
        last_pid = pid;
        pid
    };
    for _ in 0..3 {
        let pid = running_eye();
        clock::pass(seed.between(200, 4000));
        signal(pid, Signal::KILL);
        clock::until("the eye is gone", 10, || (!is_alive(pid)).then_some(()));
    }
    let pid = running_eye();
    let restarts = admin.json("/api/v1/health")["eye"]["restarts"].as_u64();
    assert_eq!(restarts, Some(3), "the health page counts them");
    clock::until("the new eye infers", 60, || {
        (admin.json("/api/v1/health")["eye"]["inferred"].as_u64()? > 0).then_some(())
    });
    daemon.kill();
    clock::until("no eye outlives its recorder", 15, || (!is_alive(pid)).then_some(()));

    for (stream, clip) in [("main", "main.mp4"), ("sub", "sub.mp4")] {
        let slabs = home.slabs("cam01", stream);
        let units: Vec<probe::Unit> =
            slabs.iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
        let source = served(clip, Track::Video);
        probe::assert_unbroken(stream, &probe::hashes(&units), &probe::hashes(&source));
        slabs.iter().for_each(|slab| probe::assert_plays(slab));
        println!("{stream}: {} pictures, none lost in 3 kills of the eye", units.len());
    }
}

#[test]
fn a_killed_recorder_loses_at_most_a_second() {
    let mut seed = Seed::from_env(22);
    let camera = FakeCamera::start(vec![Clip::read(&parts::clip("main.mp4"), FPS)], Settings::default());
    let mut home = Home::new();
    home.camera(Camera::new("cam01", &camera.url()).detect(false));
    let mut known = 0;
    for round in 1..=4 {
        let daemon = home.start();
        let admin = if round == 1 { daemon.admin() } else { daemon.api.log_in(ADMIN, ADMIN_PASSWORD) };
        daemon.until_state(&admin, "cam01", &["recording"], 60);
        let connection = camera.log().connections;
        let started = || camera.log().sent.iter().filter(|sent| sent.connection == connection).count();
        clock::until("three seconds have been sent", 30, || (started() > 30).then_some(()));
        clock::pass(seed.between(0, 3000));
        if round > 1 {
            let cover = coverage(&admin, "cam01", "main");
            assert!(gap_causes(&cover).iter().any(|cause| cause == "power-cut"), "round {round}: {cover}");
        }
        let killed_at = clock::wall_ms();
        daemon.kill();

        let slabs = home.slabs("cam01", "main");
        slabs.iter().for_each(|slab| probe::assert_plays(slab));
        let units: Vec<probe::Unit> =
            slabs.iter().flat_map(|slab| probe::units(slab, Track::Video)).collect();
        let new = probe::hashes(&units[known..]);
        let log = camera.log();
        let sent = log.sent.iter().filter(|sent| sent.connection == connection && sent.at_ms <= killed_at);
        let sent: Vec<&str> = sent.map(|sent| sent.hash.as_str()).collect();
        let start = probe::assert_unbroken("this round's pictures", &new, &sent);
        assert_eq!(start, 0, "round {round}: from the first picture on");
        let lost = sent.len().saturating_sub(new.len());
        println!(
            "round {round}: sent {}, recorded {}, lost {lost} pictures of {FPS} a second",
            sent.len(),
            new.len()
        );
        assert!(lost <= FPS as usize, "round {round}: {lost} pictures of {FPS} a second are lost");
        known = units.len();
        clock::pass(1500); // the power is away for a while
    }

    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    let mut cover = coverage(&admin, "cam01", "main");
    let recorded = clock::within(60, || {
        cover = coverage(&admin, "cam01", "main");
        let cuts = gap_causes(&cover).iter().filter(|cause| *cause == "power-cut").count();
        (cuts == 4 && covered_ms(&cover) > known as i64 * 1000 / i64::from(FPS)).then_some(())
    });
    assert!(recorded.is_some(), "after 4 power cuts and {known} pictures: {cover}");
    assert!(daemon.stop().success());
    home.all_slabs().iter().for_each(|slab| probe::assert_plays(slab));
}
