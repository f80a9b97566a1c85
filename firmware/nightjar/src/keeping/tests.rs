use super::*;
use nightjar_io::storage::{Options, Registers, Storage};
use nightjar_record::forecast::Life;
use nightjar_types::StreamKind;

const NOW: Wall = Wall(1_795_255_200_000_000);

fn status(state: &'static str) -> StorageStatus {
    StorageStatus {
        state,
        path: "/mnt/card".into(),
        quota_bytes: 0,
        used_bytes: 0,
        slabs: 0,
        free_slabs: 0,
        payload_bytes: 0,
        written_bytes: 0,
        slowest_write_ms: 2_500,
        oldest_ms: None,
        error: (!matches!(state, "ok" | "slow")).then(|| "write x: Input/output error".into()),
    }
}

fn sure() -> ClockView {
    view_of(NOW, true)
}

fn problems(status: &StorageStatus, card: Option<&CardLife>, damaged: u64, clock: &ClockView) -> Vec<String> {
    super::problems(status, card, damaged, clock).into_iter().map(|(_, words)| words).collect()
}

#[test]
fn every_state_but_ok_names_the_folder_and_the_mend() {
    assert!(problems(&status("ok"), None, 0, &sure()).is_empty());
    for state in ["slow", "missing", "foreign", "read-only", "full", "failing"] {
        let told = problems(&status(state), None, 0, &sure());
        assert_eq!(told.len(), 1, "{told:?}");
        let (words, mend) = words(&status(state));
        assert!(words.contains(state) && words.contains("/mnt/card") && !mend.is_empty(), "{words} {mend}");
        assert!(told[0].starts_with(&words) && told[0].contains(mend), "{told:?}");
    }
    assert!(problems(&status("failing"), None, 0, &sure())[0].ends_with("(write x: Input/output error)"));
}

#[test]
fn a_card_near_its_end_and_damage_need_a_person() {
    let card = |days: Option<u64>, registers: Registers| CardLife {
        written: 1,
        payload: 1,
        life: Life {
            left: days.map(|d| Duration::from_secs(d * 86_400)),
            words: "about 60 days at 1 GB a day".into(),
        },
        registers,
    };
    let told = |card: &CardLife, damaged| problems(&status("ok"), Some(card), damaged, &sure());
    assert!(told(&card(Some(91), Registers::default()), 0).is_empty());
    assert!(told(&card(None, Registers { life_used: Some(80), ..Registers::default() }), 0).is_empty());
    let short = told(&card(Some(60), Registers::default()), 0);
    assert_eq!(short, ["The card wears out: about 60 days at 1 GB a day. Have a new one ready."]);
    let device = Some("mmcblk0".to_string());
    let used =
        Registers { device: device.clone(), life_used: Some(90), is_near_end: true, ..Registers::default() };
    assert_eq!(
        told(&card(None, used), 0),
        ["The card (mmcblk0) says that 90 % of its life is used up. Replace it soon."]
    );
    let near = Registers { device, is_near_end: true, ..Registers::default() };
    assert!(told(&card(None, near), 0)[0].contains("spare blocks"));
    assert!(told(&card(None, Registers::default()), 3)[0].contains("nightjar check /mnt/card"));
}

#[test]
fn an_unsure_clock_is_a_hint_and_an_impossible_one_a_problem() {
    let told = |clock: &ClockView| problems(&status("ok"), None, 0, clock);
    let unsure = view_of(NOW, false);
    assert!(told(&unsure).is_empty() && unsure.hint.contains("may be off"));
    assert_eq!(sure().hint, "");
    let never = view_of(Wall(7_000_000), false);
    assert!(told(&never)[0].starts_with("The clock says 1970-01-01T00:00:07.000Z"));
}

#[test]
fn the_clock_is_set_only_when_nothing_knows_better() {
    let refused = set_clock(NOW, || true, |_| panic!("a sure clock is left alone"));
    assert!(matches!(refused, Err(DeskError::Conflict(_))));
    let denied = set_clock(NOW, || false, |_| Err(io::ErrorKind::PermissionDenied.into()));
    assert!(matches!(denied, Err(DeskError::NotPermitted(words)) if words.contains("CAP_SYS_TIME")));
    let mut set = None;
    let take = |to| {
        set = Some(to);
        Ok(())
    };
    set_clock(NOW, || false, take).unwrap();
    assert_eq!(set, Some(NOW));
}

#[test]
fn a_hold_that_cannot_be_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(Options::folder(dir.path(), 16 << 20, vec![])).unwrap();
    let library = storage.library();
    let ask = |cameras: &[&str], from, to, note: &str| {
        let cameras = cameras.iter().map(ToString::to_string).collect();
        let form = HoldForm { cameras, from_ms: from, to_ms: to, note: note.into() };
        hold(&library, form, "user ada".into(), NOW).unwrap_err()
    };
    let now = NOW.as_ms();
    for (error, words) in [
        (ask(&["No Name"], 0, 1, ""), "not a valid id"),
        (ask(&[], now - 1, now - 2, ""), "begin before the end"),
        (ask(&[], now - 10, now + 86_400_000, ""), "too early"),
        (ask(&[], now - 40 * 86_400_000, now, ""), "at most 31"),
        (ask(&[], now - 10, now, &"x".repeat(201)), "at most 200"),
        (ask(&["front"], now - 10, now, ""), "no footage of camera \"front\""),
    ] {
        assert!(matches!(&error, DeskError::Refused(said) if said.contains(words)), "{error:?}");
    }
    assert_eq!(release(&library, 4), Err(DeskError::UnknownHold(4)));
    let view = storage_view(&library, 5);
    assert_eq!((view.state, view.forecast.trend, view.wear.ratio), ("ok", "unknown", None));
    assert_eq!((view.holds.count, view.holds.budget_bytes), (0, 4 << 20));
    storage.stop().unwrap();
}

#[test]
fn a_deletion_is_a_line() {
    let d = Deletion {
        stream: (CameraId::new("front").unwrap(), StreamKind::Main),
        from: NOW,
        to: NOW.plus_micros(60_000_000),
        why: "older than 14 days".into(),
    };
    assert_eq!(
        deletion_in_words(&d),
        "front/main: footage from 2026-11-21T10:00:00.000Z to 2026-11-21T10:01:00.000Z deleted: older than 14 days"
    );
}
