//! The boot loader backend of a Raspberry Pi 5 as RAUC calls it, on a made-up firmware partition and device tree.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::parts;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Committed to slot A, which runs.
struct Board(TempDir);

impl Board {
    fn new() -> Self {
        let board = Self(TempDir::new().unwrap());
        for folder in ["firmware", "chosen", "state", "run"] {
            fs::create_dir(board.0.path().join(folder)).unwrap();
        }
        let autoboot = "[all]\ntryboot_a_b=1\nboot_partition=2\n[tryboot]\nboot_partition=3\n";
        fs::write(board.0.path().join("firmware/autoboot.txt"), autoboot).unwrap();
        board.boots();
        board
    }

    /// What the firmware does: with the word "0 tryboot" the other partition, once; else the one for good.
    fn boots(&self) {
        let autoboot = self.read("firmware/autoboot.txt").unwrap();
        let number = |section: &str| {
            let (_, rest) = autoboot.split_once(section).unwrap();
            let (_, rest) = rest.split_once("boot_partition=").unwrap();
            rest.chars().next().unwrap().to_digit(10).unwrap() as u8
        };
        let is_trial = self.reboot_word().as_deref() == Some("0 tryboot\n");
        let partition = number(if is_trial { "[tryboot]" } else { "[all]" });
        fs::write(self.0.path().join("chosen/partition"), [0, 0, 0, partition]).unwrap();
        let _ = fs::remove_dir_all(self.0.path().join("run")); // as a reboot does; it may be gone already
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.0.path().join(file)).ok()
    }

    fn reboot_word(&self) -> Option<String> {
        self.read("run/systemd/reboot-param")
    }

    fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("sh");
        command.arg(parts::board_files().join("nightjar-tryboot")).args(words);
        for (name, folder) in
            [("FIRMWARE", "firmware"), ("CHOSEN", "chosen"), ("STATE", "state"), ("RUN", "run")]
        {
            command.env(format!("NIGHTJAR_{name}"), self.0.path().join(folder));
        }
        let out = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    #[track_caller]
    fn says(&self, words: &str) -> String {
        self.ask(&words.split(' ').collect::<Vec<_>>()).unwrap()
    }
}

#[test]
fn a_slot_is_tried_once_and_kept_only_when_it_is_good() {
    let board = Board::new();
    assert_eq!((board.says("get-current"), board.says("get-primary")), ("A".into(), "A".into()));
    // RAUC installs into B
    board.says("set-state B bad");
    assert_eq!(board.says("get-state B"), "bad");
    board.says("set-state B good");
    board.says("set-primary B");
    assert_eq!(board.says("get-primary"), "B");
    board.boots();
    assert_eq!(board.says("get-current"), "B");
    // a power cut in the trial: back in A by itself
    board.boots();
    assert_eq!(board.says("get-current"), "A");
    board.says("set-primary B");
    board.boots();
    board.says("set-state B good");
    for _ in 0..2 {
        board.boots();
        assert_eq!((board.says("get-current"), board.says("get-primary")), ("B".into(), "B".into()));
    }
    // and the other way round
    board.says("set-primary A");
    board.boots();
    assert_eq!(board.says("get-current"), "A");
}

#[test]
fn a_slot_that_failed_its_trial_is_not_tried_again() {
    let board = Board::new();
    board.says("set-primary B");
    board.says("set-state B bad");
    assert_eq!((board.reboot_word(), board.says("get-primary")), (None, "A".into()));
    board.boots();
    assert_eq!(board.says("get-current"), "A");
    // going back by hand before the reboot
    board.says("set-primary B");
    board.says("set-primary A");
    assert_eq!(board.reboot_word(), None);
}

#[test]
fn what_is_no_slot_or_no_question_is_refused() {
    let board = Board::new();
    for (words, mend) in [
        (&["set-primary", "C"][..], "it is A or B"),
        (&["set-state", "A", "fine"], "it is good or bad"),
        (&["get-state"], "it is A or B"),
        (&[], "usage:"),
    ] {
        let why = board.ask(words).unwrap_err();
        assert!(why.contains(mend), "{words:?}: {why}");
    }
    fs::write(board.0.path().join("chosen/partition"), [0, 0, 0, 7]).unwrap();
    assert!(board.ask(&["get-current"]).unwrap_err().contains("is no slot"));
}
