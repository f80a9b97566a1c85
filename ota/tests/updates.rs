//! Updates with RAUC itself: kept, rolled back, refused, cancelled; and what happens when it dies in the middle of a copy.
#![allow(clippy::unwrap_used, reason = "test code")]

#[macro_use]
mod board;

use board::false_rauc::FalseRauc;
use board::image;
use nightjar_ota::slots::Tls;
use nightjar_types::Secret;
use std::fs;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn a_good_update_is_kept_and_the_next_one_goes_back_into_the_first_slot() {
    let mut board = board_or_skip!("ota updates");
    board.start_agent().await;
    let status = board.status().await;
    assert_eq!((&status["slot"], &status["version"]), (&"A".into(), &"1.0".into()));
    for (n, from, to, version) in [(1, 'A', 'B', "2.0"), (2, 'B', 'A', "3.0")] {
        let bundle = board.bundle(&format!("{version}.raucb"), version);
        board.send(&bundle).await.unwrap();
        board.rebooted().await;
        assert_eq!(fs::read(board.path(&to.to_string())).unwrap(), image(version), "RAUC wrote slot {to}");
        assert_eq!(board.status().await["step"], "installed");
        assert_eq!(board.next_slot(), to);
        board.boot(to).await;
        fs::write(board.path("rauc.conf"), format!("[system]\nmin-bundle-version={version}\n")).unwrap();
        board.start_agent().await;
        let entry = board.entry(n).await;
        assert_eq!(entry["result"], "kept", "{entry:#}");
        assert_eq!(board.read("state/floor"), version, "the floor of an image that was kept stays");
        assert_eq!((&entry["slot"], &entry["version"]), (&to.to_string().into(), &version.into()));
        assert_eq!((&entry["gap_s"], &entry["clock_sure"]), (&32.into(), &true.into()));
        assert_eq!(board.read(&format!("state.{to}")), "good");
        assert_eq!(fs::read_dir(board.path("uploads")).unwrap().count(), 0, "uploads are removed");
        assert!(!board.path("state/journal.json").exists());
        assert_eq!(board.status().await["version"], version, "from {from}");
    }
}

#[tokio::test]
async fn a_system_in_which_a_camera_is_gone_goes_back_and_says_why() {
    let mut board = board_or_skip!("ota rollback");
    board.start_agent().await;
    board.send(&board.bundle("2.raucb", "2.0")).await.unwrap();
    board.rebooted().await;
    {
        let mut report = board.recorder.lock().unwrap();
        let camera = &mut report.as_mut().unwrap().cameras[1];
        (camera.recording, camera.why) = (false, "It cannot be reached: check its power.".into());
    }
    board.deadline_s = 2; // the host has been up for longer: the first look decides
    board.boot('B').await;
    board.start_agent().await;
    board.rebooted().await;
    assert_eq!(board.read("state.B"), "bad");
    assert_eq!(board.next_slot(), 'A');
    let well = board::well(&board.recorder.lock().unwrap().as_ref().unwrap().page);
    *board.recorder.lock().unwrap() = Some(well);
    board.boot('A').await;
    board.start_agent().await;
    let entry = board.entry(1).await;
    assert_eq!(entry["result"], "rolled-back");
    assert_eq!(
        entry["reason"],
        "camera \"yard\" does not record again: It cannot be reached: check its power"
    );
    assert_eq!(entry["gap_s"], 32);
    assert_eq!(board.status().await["version"], "1.0");
}

#[tokio::test]
async fn a_system_that_the_boot_loader_gave_up_is_known_as_such() {
    let mut board = board_or_skip!("ota fallback");
    board.start_agent().await;
    board.send(&board.bundle("2.raucb", "2.0")).await.unwrap();
    board.rebooted().await;
    board.boot('A').await;
    board.start_agent().await;
    let entry = board.entry(1).await;
    assert_eq!(entry["result"], "rolled-back");
    assert!(
        entry["reason"].as_str().unwrap().starts_with("the boot loader went back to slot A"),
        "{entry:#}"
    );
    board.no_reboot_was_asked();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_a_byte_is_written() {
    let mut board = board_or_skip!("ota refusals");
    board.install = "floor = \"1.5\"".into();
    fs::write(board.path("rauc.conf"), "[system]\nmin-bundle-version=1.2\n").unwrap();
    board.start_agent().await;
    assert_eq!(board.status().await["floor"], "1.5");
    let good = board.bundle("good.raucb", "2.0");
    let mut bytes = fs::read(&good).unwrap();
    bytes.truncate(bytes.len() - 700);
    fs::write(board.path("truncated.raucb"), &bytes).unwrap();
    fs::write(board.path("garbage.raucb"), vec![7; 40_000]).unwrap();
    let mut flipped = fs::read(&good).unwrap();
    let end = flipped.len();
    flipped[end - 200] ^= 1;
    fs::write(board.path("flipped.raucb"), &flipped).unwrap();
    let bundles = [
        (board.bundle_of("foreign.raucb", "2.0", "nightjar-test", "foreign"), "the bundle is not accepted: "),
        (
            board.bundle_of("other.raucb", "2.0", "toaster", "ours"),
            "the bundle is for \"toaster\", this board is",
        ),
        (board.bundle("old.raucb", "1.4"), "its version 1.4 is older than the floor 1.5"),
        (board.bundle("word.raucb", "newest"), "its version \"newest\" cannot be compared"),
        (board.path("truncated.raucb"), "the bundle is not accepted: "),
        (board.path("garbage.raucb"), "the bundle is not accepted: "),
        (board.path("flipped.raucb"), "the bundle is not accepted: "),
    ];
    for (n, (bundle, why)) in bundles.iter().enumerate() {
        board.send(bundle).await.unwrap();
        let entry = board.entry(n + 1).await;
        assert_eq!(entry["result"], "refused", "{bundle:?}: {entry:#}");
        assert!(entry["reason"].as_str().unwrap().contains(why), "{bundle:?}: {entry:#}");
    }
    assert_eq!(fs::read(board.path("B")).unwrap(), image("1.0"));
    assert_eq!((board.read("primary"), board.read("state.B")), ("A".into(), "good".into()));
    assert_eq!(fs::read_dir(board.path("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stick_installs_what_is_newer_and_never_what_was_rolled_back() {
    let mut board = board_or_skip!("ota stick");
    board.install = "reboot = false".into();
    board.start_agent().await;
    let stick = board.path("stick");
    fs::create_dir(&stick).unwrap();
    let old = board.bundle("nightjar-1.0.raucb", "1.0");
    fs::rename(old, stick.join("nightjar-1.0.raucb")).unwrap();
    let offer =
        async |board: &board::Board| nightjar_ota::usb::offer(&board.socket(), &board.path("stick")).await;
    let why = offer(&board).await.unwrap_err();
    assert_eq!(why, "nightjar-1.0.raucb: 1.0 runs; the stick's 1.0 is not newer");
    fs::rename(board.bundle("nightjar-2.0.raucb", "2.0"), stick.join("nightjar-2.0.raucb")).unwrap();
    let said = offer(&board).await.unwrap();
    assert!(said.starts_with("nightjar-2.0.raucb: it is installed"), "{said}");
    board.until_status("installed", |s| s["step"] == "installed").await;
    // the stick may be pulled out meanwhile; the new system does not come up
    board.post("/v1/reboot").await.unwrap();
    board.rebooted().await;
    board.boot('A').await;
    board.start_agent().await;
    assert_eq!(board.entry(2).await["result"], "rolled-back");
    let why = offer(&board).await.unwrap_err();
    assert!(why.contains("2.0 was tried before and rolled back"), "{why}");
    board.no_reboot_was_asked();
}

#[tokio::test]
async fn installed_and_waiting_it_can_be_cancelled_and_the_old_system_stays() {
    let mut board = board_or_skip!("ota cancel");
    board.install = "reboot = false".into();
    board.start_agent().await;
    board.send(&board.bundle("2.raucb", "2.0")).await.unwrap();
    board.until_status("installed", |s| s["step"] == "installed" && s["can_cancel"] == true).await;
    assert_eq!(board.read("primary"), "B");
    board.post("/v1/cancel").await.unwrap();
    let entry = board.entry(1).await;
    assert_eq!((&entry["result"], board.read("primary").as_str()), (&"cancelled".into(), "A"));
    assert_eq!(board.post("/v1/cancel").await.unwrap_err(), "no such update goes on");
    assert_eq!(board.post("/v1/reboot").await.unwrap_err(), "no update goes on");
    board.no_reboot_was_asked();
}

#[tokio::test]
async fn an_alarm_holds_everybody_up() {
    let mut board = board_or_skip!("ota alarm");
    board.start_agent().await;
    board.recorder.lock().unwrap().as_mut().unwrap().alarm = Some("output \"siren\" is on".into());
    let why = board.send(&board.bundle("2.raucb", "2.0")).await.unwrap_err();
    assert!(why.starts_with("an alarm is on: output \"siren\" is on"), "{why}");
    board.until_status("idle", |s| s["step"] == "idle").await;
    assert_eq!(fs::read_dir(board.path("uploads")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_recorder_that_was_broken_before_does_not_keep_its_mend_out() {
    let mut board = board_or_skip!("ota broken recorder");
    *board.recorder.lock().unwrap() = None;
    board.start_agent().await;
    board.send(&board.bundle("2.raucb", "2.0")).await.unwrap();
    board.rebooted().await;
    board.boot('B').await;
    board.start_agent().await;
    let entry = board.entry(1).await;
    assert_eq!((&entry["result"], &entry["gap_s"]), (&"kept".into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn a_recorder_in_a_bad_moment_before_an_update_is_judged_after_it() {
    let mut board = board_or_skip!("ota bad moment");
    board.start_agent().await;
    let well = board.recorder.lock().unwrap().take();
    board.send(&board.bundle("2.raucb", "2.0")).await.unwrap();
    board.recorder.lock().unwrap().clone_from(&well);
    board.rebooted().await;
    board.recorder.lock().unwrap().as_mut().unwrap().slab.written = false;
    board.deadline_s = 2; // the host has been up for longer: the first look decides
    board.boot('B').await;
    board.start_agent().await;
    board.rebooted().await;
    *board.recorder.lock().unwrap() = well;
    board.boot('A').await;
    board.start_agent().await;
    let entry = board.entry(1).await;
    assert_eq!(
        (&entry["result"], &entry["reason"]),
        (&"rolled-back".into(), &"nothing is written to the disk".into())
    );
}

/// A fleet's order, held in the middle of its copy.
async fn copying(board: &mut board::Board) -> FalseRauc {
    board.without_rauc().await;
    let rauc = FalseRauc::start(board).await;
    board.start_agent().await;
    let headers = vec![Secret::new("Authorization: TargetToken t0ken".to_owned())];
    let fleet = board.fleet.as_ref().unwrap();
    fleet.install("17", "http://fleet/2.raucb", headers.clone(), Tls::default()).await.unwrap();
    fleet
        .install("17", "http://fleet/2.raucb", headers, Tls::default())
        .await
        .expect("asked again it is the same");
    board.until_status("copying", |s| s["progress"]["percent"] == 42).await;
    let asked: Vec<String> = rauc.calls().into_iter().filter(|c| !c.starts_with("mark")).collect();
    let with = "http://fleet/2.raucb with Authorization: TargetToken t0ken";
    assert_eq!(asked, [format!("inspect {with}"), format!("install {with}")]);
    rauc
}

#[tokio::test]
async fn a_copy_is_not_stopped_but_undone_when_it_is_cancelled() {
    let mut board = board_or_skip!("ota cancel in the copy");
    let rauc = copying(&mut board).await;
    let said = board.fleet.as_ref().unwrap().cancel("17").await.unwrap();
    assert!(said.contains("as soon as it ends it is undone"), "{said}");
    rauc.complete(None).await;
    assert_eq!(board.entry(1).await["result"], "cancelled");
    assert!(rauc.calls().contains(&"mark active rootfs.0".to_owned()), "{:?}", rauc.calls());
    let fleet = board.fleet.as_ref().unwrap();
    assert_eq!(fleet.owed().unwrap()[0].action, "17");
    fleet.paid("17").unwrap();
    assert!(fleet.owed().unwrap().is_empty());
    assert!(
        fleet
            .install("17", "http://fleet/2.raucb", vec![], Tls::default())
            .await
            .unwrap_err()
            .starts_with("this update is over")
    );
    board.no_reboot_was_asked();
}

#[tokio::test]
async fn an_agent_that_ends_in_a_copy_hears_of_its_end_when_it_is_back() {
    let mut board = board_or_skip!("ota restart in the copy");
    let rauc = copying(&mut board).await;
    board.stop_agent().await;
    board.start_agent().await;
    assert_eq!(board.status().await["step"], "installing");
    rauc.complete(Some("No space left on device")).await;
    let entry = board.entry(1).await;
    assert_eq!((&entry["result"], &entry["reason"]), (&"failed".into(), &"No space left on device".into()));
    assert_eq!(rauc.calls().iter().filter(|c| c.starts_with("install")).count(), 1);
}

#[tokio::test]
async fn power_that_goes_in_a_copy_begins_it_again_and_nothing_is_closed_before_the_gate() {
    let mut board = board_or_skip!("ota power in the copy");
    let rauc = copying(&mut board).await;
    board.stop_agent().await;
    rauc.die().await;
    board.boot('A').await;
    board.without_rauc().await;
    let rauc = FalseRauc::start(&board).await;
    board.start_agent().await;
    board.until_status("copying again", |s| s["progress"]["percent"] == 42).await;
    assert!(rauc.calls()[1].ends_with("with Authorization: TargetToken t0ken"), "{:?}", rauc.calls());
    rauc.complete(None).await;
    board.rebooted().await;
    assert!(board.fleet.as_ref().unwrap().owed().unwrap().is_empty(), "not before the gate");
    rauc.die().await;
    fs::write(board.path("B"), image("2.0")).unwrap();
    board.boot('B').await;
    board.without_rauc().await;
    let rauc = FalseRauc::start(&board).await;
    board.start_agent().await;
    assert_eq!(board.entry(1).await["result"], "kept");
    assert!(rauc.calls().contains(&"mark good booted".to_owned()));
    let owed = board.fleet.as_ref().unwrap().owed().unwrap();
    assert_eq!((owed.len(), owed[0].action.as_str()), (1, "17"));
}

#[tokio::test]
async fn rauc_that_dies_in_a_copy_is_noticed_at_once() {
    let mut board = board_or_skip!("ota RAUC dies");
    let rauc = copying(&mut board).await;
    rauc.die().await;
    let waited = timeout(Duration::from_secs(50), board.entry(1)).await.expect("it does not wait for ever");
    assert_eq!(
        (&waited["result"], &waited["reason"]),
        (&"failed".into(), &"RAUC ended while it installed".into())
    );
}
