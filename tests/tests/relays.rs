//! Relays of the real programs on the simulated board: whatever becomes of the recorder, they go to their safe level, and the
//! audit says why.

#![allow(clippy::unwrap_used)] // all of this file is a test: what is not there fails it

use nightjar_tests::api::Api;
use nightjar_tests::clock;
use nightjar_tests::daemon::{ADMIN, ADMIN_PASSWORD, Daemon, signal};
use nightjar_tests::home::Home;
use nightjar_tests::seed::Seed;
use nightjar_tests::wires::{Level, Wires};
use rustix::process::Signal;
use std::collections::BTreeMap;

const SIREN: u32 = 1;
const PANIC: u32 = 4;

/// A siren that sounds as long as the panic button is pressed.
fn siren(active: &str) -> String {
    format!(
        "[[input]]\nid = \"panic\"\nline = \"sim:{PANIC}\"\nkind = \"panic\"\ndebounce = \"20ms\"\n\
         [[output]]\nid = \"siren\"\nline = \"sim:{SIREN}\"\nactive = \"{active}\"\n\
         [[rule]]\nid = \"alarm\"\nwhen = {{ input = \"panic\" }}\ndo = {{ hold = \"siren\", linger = \"0s\" }}\n"
    )
}

/// The newest line of the audit that contains `words`.
#[track_caller]
fn audited(api: &Api, words: &str) -> String {
    let line = clock::within(30, || {
        let lines = api.json("/api/v1/audit?limit=100");
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().filter_map(|l| l["what"].as_str()).find(|what| what.contains(words)).map(str::to_string)
    });
    line.unwrap_or_else(|| panic!("the audit has no \"{words}\": {}", api.json("/api/v1/audit?limit=20")))
}

/// The process that keeps the relays of a recorder.
#[track_caller]
fn keeper(daemon: &Daemon<'_>) -> u32 {
    let pid = daemon.pid();
    clock::until("somebody keeps the relays", 30, || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let all = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let others = all.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let pids: Vec<u32> = others
            .chain([children])
            .flat_map(|c| c.split_whitespace().map(str::to_string).collect::<Vec<_>>())
            .filter_map(|p| p.parse().ok())
            .collect();
        pids.into_iter().find(|pid| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|b| *b == 0).any(|word| word == b"relays")
        })
    })
}

#[test]
fn a_recorder_that_is_stopped_loses_its_relays_and_says_why_when_it_goes_on() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item(&siren("low"));
    let daemon = home.start();
    let admin = daemon.admin();
    assert!(wires.is_high(SIREN), "off, and low is on");
    wires.drive(PANIC, true);
    wires.until("the siren sounds", SIREN, false);
    assert!(audited(&admin, "output siren on").contains("rule alarm: input panic"));

    signal(daemon.pid(), Signal::STOP);
    let stopped = clock::now();
    wires.until("the siren is silent, though nobody is there to say so", SIREN, true);
    println!("safe {:.1} s after SIGSTOP", clock::now().duration_since(stopped).as_secs_f32());
    signal(daemon.pid(), Signal::CONT);
    let said = audited(&admin, "did not answer");
    assert!(said.starts_with("output siren off"), "{said}");
    assert_eq!(admin.json("/api/v1/outputs")[0]["on"], false);

    // It is pressed still, but that is no news any more; pressed again it is.
    wires.drive(PANIC, false);
    clock::until("it is let go", 30, || (admin.json("/api/v1/inputs")[0]["active"] == false).then_some(()));
    assert!(wires.is_high(SIREN));
    wires.drive(PANIC, true);
    wires.until("the siren sounds again", SIREN, false);
    assert!(daemon.stop().success());
    assert!(wires.is_high(SIREN));
}

#[test]
fn the_next_start_says_why_the_relays_of_the_last_one_moved() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item(&siren("high"));
    let mut admin: Option<Api> = None;
    for (how, words) in [("stopped, then killed", "did not answer"), ("killed", "ended without a word")] {
        let daemon = home.start();
        admin = Some(match admin {
            None => daemon.admin(),
            Some(_) => daemon.api.log_in(ADMIN, ADMIN_PASSWORD),
        });
        wires.drive(PANIC, false);
        wires.drive(PANIC, true);
        wires.until("the siren sounds", SIREN, true);
        if how.starts_with("stopped") {
            // as a watchdog does it
            signal(daemon.pid(), Signal::STOP);
            wires.until("the siren is silent", SIREN, false);
        }
        daemon.kill();
        wires.until("the siren is silent", SIREN, false);
        let next = home.start();
        let api = next.api.log_in(ADMIN, ADMIN_PASSWORD);
        let said = audited(&api, words);
        assert!(said.starts_with("output siren off at 20"), "{how}: {said}");
        assert!(!wires.is_high(SIREN), "{how}: a start moves nothing");
        assert!(next.stop().success());
    }
}

#[test]
fn a_keeper_that_dies_or_hangs_is_replaced_by_one_that_starts_safe() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item(&siren("high"));
    let daemon = home.start();
    let admin = daemon.admin();
    let kept_again = || {
        let lines = admin.json("/api/v1/audit?limit=100");
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().filter(|l| l["what"].as_str().is_some_and(|what| what.contains("kept again"))).count()
    };
    for (times, end) in [(1, Signal::KILL), (2, Signal::STOP)] {
        let old = keeper(&daemon);
        wires.drive(PANIC, false);
        wires.drive(PANIC, true);
        wires.until("the siren sounds", SIREN, true);
        let before = wires.levels(SIREN).len();
        signal(old, end);
        clock::until("the line is opened again, at its safe level", 60, || {
            let levels = wires.levels(SIREN);
            levels[before..].contains(&Level::Opened(false)).then_some(())
        });
        assert_ne!(keeper(&daemon), old);
        clock::until("the audit says so", 30, || (kept_again() == times).then_some(()));
        assert!(audited(&admin, "let go: siren").contains("the process that keeps the relays ended"));
        let is_well = || admin.json("/api/v1/outputs")[0]["error"].is_null().then_some(());
        clock::until("all is said to be well", 30, is_well);
    }
    assert!(daemon.stop().success());
}

#[test]
fn people_test_switch_off_and_arm() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item("[[output]]\nid = \"lamp\"\nline = \"sim:2\"\nnever_with = \"siren\"");
    home.item(&siren("high"));
    home.item(
        "[[input]]\nid = \"key\"\nline = \"sim:5\"\nkind = \"key-switch\"\n[[input]]\nid = \"door\"\nline = \"sim:6\"\nkind = \"door\"\n\
         [[rule]]\nid = \"burglar\"\nwhen = { input = \"door\", armed = true }\ndo = { latch = \"lamp\" }\n",
    );
    let daemon = home.start();
    let admin = daemon.admin();
    let on = |n: usize| admin.json("/api/v1/outputs")[n]["on"] == true;
    let test = |id: &str| {
        let form = serde_json::json!({"confirm": id, "ms": 5000});
        admin.post(&format!("/api/v1/outputs/{id}/test"), &form)
    };
    let nothing = serde_json::json!({});
    assert_eq!(test("siren").expect(202).json()["on"], true, "the answer comes after the move");
    let refused = test("lamp").expect(409).text();
    assert!(refused.contains("never on together with siren"), "{refused}");
    assert_eq!(admin.post("/api/v1/outputs/siren/off", &nothing).expect(200).json()["on"], false);
    assert!(!wires.is_high(SIREN));
    assert!(audited(&admin, "output siren off").contains("switched by a person"));

    let open_and_close = || {
        wires.drive(6, true);
        clock::until("it is open", 30, || (admin.json("/api/v1/inputs")[2]["active"] == true).then_some(()));
        wires.drive(6, false);
        clock::until("it is closed", 30, || {
            (admin.json("/api/v1/inputs")[2]["active"] == false).then_some(())
        });
    };
    open_and_close();
    assert!(!on(0), "not armed");
    wires.drive(5, true);
    clock::until("the key arms", 30, || (admin.json("/api/v1/arm")["by"] == "input key").then_some(()));
    open_and_close();
    clock::until("the lamp is on", 30, || on(0).then_some(()));
    assert!(audited(&admin, "output lamp on").contains("rule burglar: input door"));
    let disarm = serde_json::json!({"armed": false});
    let said = admin.post("/api/v1/arm", &disarm).expect(200).json();
    assert_eq!((said["armed"].as_bool(), said["by"].as_str()), (Some(false), Some("user tester")));
    admin.post("/api/v1/outputs/lamp/off", &nothing).expect(200);
    open_and_close();
    assert!(!on(0), "disarmed by a person");
    assert!(daemon.stop().success());
    let daemon = home.start();
    let admin = daemon.api.log_in(ADMIN, ADMIN_PASSWORD);
    assert_eq!(admin.json("/api/v1/arm")["by"], "user tester", "kept over a restart");
}

#[test]
fn rules_that_a_person_puts_in_force_count_after_a_restart_in_good_order() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item("[[output]]\nid = \"lamp\"\nline = \"sim:2\"");
    home.item(&siren("high"));
    let daemon = home.start();
    let admin = daemon.admin();
    let (first, pid) = (admin.json("/api/v1/rules/text"), daemon.pid());
    assert_eq!(first["is_own"], false);
    let text = first["text"].as_str().unwrap();
    assert!(text.starts_with("[[rule]]\nid = \"alarm\""), "{text}");

    let bad = serde_json::json!({"text": text.replace("\"siren\"", "\"sirene\"")});
    let refused = admin.post("/api/v1/rules", &bad).expect(422).text();
    assert!(refused.contains("sirene"), "{refused}");
    let other = text.replace("alarm", "light").replace("\"siren\"", "\"lamp\"");
    let trial = serde_json::json!({"text": other, "hours": 1});
    let told = admin.post("/api/v1/rules/rehearse", &trial).expect(200).json();
    assert_eq!((told["moves"].as_array().unwrap().len(), &told["rules"][0]["id"]), (0, &"light".into()));
    admin.post("/api/v1/rules", &serde_json::json!({"text": other})).expect(202);
    let in_force = |id: &str| {
        clock::until("the recorder runs with the rules", 60, || {
            (admin.try_get("/api/v1/rules", &[]).ok()?.json()[0]["id"] == id).then_some(())
        });
    };
    in_force("light");
    assert_eq!(daemon.pid(), pid);
    wires.drive(PANIC, true);
    wires.until("the lamp is lit", 2, true);
    wires.drive(PANIC, false);
    wires.until("the lamp is out", 2, false);

    admin.post("/api/v1/rules", &serde_json::json!({"text": null})).expect(202);
    in_force("alarm");
    assert_eq!(admin.json("/api/v1/rules/text"), first);
    audited(&admin, "put the rules of the configuration in force");
    assert!(daemon.stop().success());
    let moved = wires.levels(SIREN).iter().any(|level| matches!(level, Level::Driven(true)));
    assert!(!moved && !wires.levels(SIREN).iter().any(|level| level.is_high()), "{:?}", wires.levels(SIREN));
}

#[test]
fn other_rules_wait_for_a_restart_and_a_reload_moves_no_relay() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item(&siren("high"));
    let daemon = home.start();
    let admin = daemon.admin();
    let (file, before) = (home.path("nightjar.toml"), keeper(&daemon));
    let good = std::fs::read_to_string(&file).unwrap();
    wires.drive(PANIC, true);
    wires.until("the siren sounds", SIREN, true);
    let hang_up = |text: &str, words: &str| {
        std::fs::write(&file, text).unwrap();
        signal(daemon.pid(), Signal::HUP);
        audited(&admin, words)
    };
    let other = good.replace("linger = \"0s\"", "linger = \"9s\"").replace("\"20ms\"", "\"30ms\"")
        + "[[output]]\nid = \"lamp\"\nline = \"sim:2\"\n";
    let said = hang_up(&other, "needs a restart");
    assert!(said.ends_with("until then all of it stays as it was"), "{said}");
    ["output \"lamp\"", "input \"panic\"", "rule \"alarm\""]
        .iter()
        .for_each(|it| assert!(said.contains(it), "{said}"));
    hang_up(&good.replace("sim:1", "sim:999"), "nothing is changed: output \"siren\"");
    wires.drive(PANIC, false);
    wires.until("the siren is silent", SIREN, false);
    assert_eq!(wires.levels(SIREN), [Level::Opened(false), Level::Driven(true), Level::Driven(false)]);
    assert!(wires.levels(2).is_empty(), "the lamp is not there yet");
    assert_eq!(keeper(&daemon), before);
    assert!(daemon.stop().success());
}

/// What a recorder's life ends with.
const ENDS: [&str; 4] = ["stop", "kill", "stall and go on", "stall and kill"];

#[test]
fn in_dozens_of_lives_of_the_real_programs_no_relay_moves_unasked() {
    let mut seed = Seed::from_env(5);
    let mut told: BTreeMap<&str, u32> = BTreeMap::new();
    let mut presses = 0;
    for life in 0..24 {
        // Another home for each wiring: the configuration of one is the change for the next.
        let mut home = Home::new();
        let wires = Wires::of(&mut home);
        let low = seed.between(0, 2) == 0;
        home.item(&siren(if low { "low" } else { "high" }));
        let daemon = home.start();
        let pressed = seed.between(0, 3);
        for _ in 0..pressed {
            wires.drive(PANIC, true);
            wires.until("the siren sounds", SIREN, !low);
            wires.drive(PANIC, false);
            wires.until("the siren is silent", SIREN, low);
        }
        let is_held = seed.between(0, 2) == 0;
        if is_held {
            wires.drive(PANIC, true);
            wires.until("the siren sounds", SIREN, !low);
        }
        // a stall takes its time, so there are fewer of them
        let end = ENDS[[0, 1, 0, 1, 2, 0, 1, 3][seed.between(0, 8) as usize]];
        if end.starts_with("stall") {
            signal(daemon.pid(), Signal::STOP);
            wires.until("the siren is silent", SIREN, low);
            signal(daemon.pid(), Signal::CONT);
        }
        if end.ends_with("kill") {
            daemon.kill();
        } else {
            let status = daemon.stop();
            assert!(status.success(), "life {life}, {end}: {status}\n{}", home.said());
        }
        wires.until("the siren is silent", SIREN, low);
        *told.entry(end).or_default() += 1;
        presses += pressed + u64::from(is_held);
        let mut expected = vec![Level::Opened(low)];
        for _ in 0..pressed + u64::from(is_held) {
            expected.extend([Level::Driven(!low), Level::Driven(low)]);
        }
        assert_eq!(
            wires.levels(SIREN),
            expected,
            "life {life}, {end}, {}",
            if low { "active low" } else { "" }
        );
    }
    println!("{presses} presses, {} edges, none unasked; {told:?}", presses * 2);
}

#[test]
fn rules_are_rehearsed_on_what_happened() {
    let mut home = Home::new();
    let wires = Wires::of(&mut home);
    home.item("[[output]]\nid = \"lamp\"\nline = \"sim:2\"");
    home.item(&siren("high"));
    let (config, none) = (home.write_config(), home.path("none.toml"));
    std::fs::write(&none, "").unwrap();
    let words =
        ["rules", "rehearse", "--config", config.to_str().unwrap(), "--rules", none.to_str().unwrap()];
    let ended = home.plain(&words);
    assert!(ended.code == Some(1) && ended.said.contains("there is no journal in"), "{}", ended.said);
    let daemon = home.start();
    for _ in 0..5 {
        wires.drive(PANIC, true);
        wires.until("the siren sounds", SIREN, true);
        wires.drive(PANIC, false);
        wires.until("the siren is silent", SIREN, false);
    }
    assert!(daemon.stop().success());
    let rehearse = |name: &str, rules: &str| {
        let (file, config) = (home.path(name), home.write_config());
        std::fs::write(&file, rules).unwrap();
        let words =
            ["rules", "rehearse", "--config", config.to_str().unwrap(), "--rules", file.to_str().unwrap()];
        let ended = home.plain(&words);
        assert_eq!(ended.code, Some(0), "{}", ended.said);
        ended.said
    };
    let same = rehearse("same.toml", &siren("high"));
    assert!(same.contains(": 10 moves as they were, 0 new, 0 no more; "), "{same}");
    assert_eq!(same.matches("siren on  as it was: rule alarm: input panic").count(), 5, "{same}");
    let other = rehearse("other.toml", &siren("high").replace("hold = \"siren\"", "hold = \"lamp\""));
    assert!(other.contains(": 0 moves as they were, 10 new, 10 no more; "), "{other}");
    let file = home.path("same.toml");
    let config = home.write_config();
    let words =
        ["rules", "rehearse", "--config", config.to_str().unwrap(), "--rules", file.to_str().unwrap()];
    let ended = home.plain(&[&words[..], &["--from", "yesterday"]].concat());
    assert!(
        ended.code == Some(1) && ended.said.contains("\"yesterday\" is no moment such as"),
        "{}",
        ended.said
    );
    let ended = home.plain(&[&words[..], &["--to", "2026-01-01T00:00:00Z"]].concat());
    assert!(ended.said.contains(": 0 moves as they were"), "{}", ended.said);
}
