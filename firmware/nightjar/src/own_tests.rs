//! Rules, zones and limits that are saved, tried and let go again, and a configuration that changes below them.

use super::*;
use crate::journal::{Journal, Record, SeenThing, What};
use nightjar_types::Mono;
use nightjar_types::config::Sight;

const CONFIG: &str = "[[output]]\nid = \"siren\"\nline = \"sim:1\"\n[[output]]\nid = \"lamp\"\nline = \"sim:2\"\n\
    [[input]]\nid = \"panic\"\nline = \"sim:3\"\nkind = \"panic\"\n\
    [[camera]]\nid = \"front\"\nmain = \"synthetic:\"\n[[camera.zone]]\nid = \"door\"\npoints = [[0, 0], [1, 0], [1, 1]]\n\
    [[rule]]\nid = \"alarm\" # loud\nwhen = { input = \"panic\" }\ndo = { hold = \"siren\", linger = \"0s\" }\n\
    [web]\ntls = \"off\"\n";

fn own() -> (tempfile::TempDir, Own) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("nightjar.toml");
    let state_dir = dir.path().join("state");
    fs::create_dir_all(&state_dir).unwrap();
    fs::write(&config, format!("[device]\nstate_dir = {:?}\n{CONFIG}", state_dir.display().to_string()))
        .unwrap();
    (dir, Own { config: Some(config), state_dir })
}

fn rules(text: &str) -> Draft {
    Draft::Rules(Some(text.into()))
}

fn sight(json: &str) -> Draft {
    let sight: Sight = serde_json::from_str(json).unwrap();
    Draft::Sight { camera: "front".into(), sight: Some(sight) }
}

fn nothing_of_front() -> Draft {
    Draft::Sight { camera: "front".into(), sight: None }
}

fn in_force(own: &Own) -> Config {
    load::config(own.config.as_deref()).unwrap()
}

fn rule_ids(own: &Own) -> Vec<String> {
    in_force(own).rules.iter().map(|r| r.id.to_string()).collect()
}

fn zone_ids(own: &Own) -> Vec<String> {
    in_force(own).cameras[0].zones.iter().map(|z| z.id.to_string()).collect()
}

fn refused(own: &Own, draft: &Draft) -> String {
    format!("{:#}", own.save(draft).unwrap_err())
}

const PATH: &str = r#"{"zone": [{"id": "path", "points": [[0, 0.5], [1, 0.5], [1, 1]]}]}"#;

#[test]
fn rules_of_the_page_stand_in_place_of_the_configurations_until_they_are_let_go() {
    let (_dir, own) = own();
    let first = own.rules().unwrap();
    assert!(!first.is_own && first.text.starts_with("[[rule]]\nid = \"alarm\" # loud\n"), "{}", first.text);
    assert!(!first.text.contains("[web]") && !first.text.contains("[[input]]"), "{}", first.text);
    let other = first.text.replace("alarm", "light").replace("siren", "lamp");
    own.save(&rules(&other)).unwrap().unwrap();
    assert_eq!(own.rules().unwrap(), RulesText { text: other, is_own: true });
    assert_eq!(rule_ids(&own), ["light"]);
    own.save(&Draft::Rules(None)).unwrap().unwrap();
    own.save(&Draft::Rules(None)).unwrap().unwrap(); // there is nothing to let go
    assert_eq!((own.rules().unwrap(), rule_ids(&own)), (first, vec!["alarm".to_string()]));
}

#[test]
fn zones_and_limits_of_the_page_do_too_beside_them() {
    let (_dir, own) = own();
    let before = fs::read_to_string(own.config.as_ref().unwrap()).unwrap();
    let first = own.sight("front").unwrap();
    assert!(!first.is_own && serde_json::to_string(&first.sight).unwrap().contains("\"door\""));
    let limited = PATH.replacen('{', r#"{"filter": {"person": {"min_score": 0.63}}, "#, 1);
    own.save(&sight(&limited)).unwrap().unwrap();
    assert!(own.sight("front").unwrap().is_own);
    let config = in_force(&own);
    assert_eq!(config.cameras[0].filter.limits["person"].min_score, 0.63);
    assert_eq!((zone_ids(&own), rule_ids(&own)), (vec!["path".to_string()], vec!["alarm".to_string()]));
    let words = in_place(&config).unwrap();
    assert!(words.len() == 1 && words[0].contains("sights.json was saved on the page"), "{words:?}");
    // rules that ask for the zone that was drawn
    let zoned =
        "[[rule]]\nid = \"walk\"\nwhen = { camera = \"front\", zone = \"path\" }\ndo = { notify = \"x\" }\n";
    own.save(&rules(zoned)).unwrap().unwrap();
    assert_eq!((zone_ids(&own), rule_ids(&own)), (vec!["path".to_string()], vec!["walk".to_string()]));
    assert_eq!(in_place(&in_force(&own)).unwrap().len(), 2);
    let text = fs::read_to_string(own.config.as_ref().unwrap()).unwrap();
    let tried = with_rules(&text, "nightjar.toml", Some((zoned, "new.toml"))).unwrap();
    assert_eq!(tried.cameras[0].zones[0].id.as_str(), "path", "the command line sees it too");
    let why = refused(&own, &nothing_of_front());
    assert!(why.contains("camera \"front\" has no zone \"path\""), "{why}");
    own.save(&Draft::Rules(None)).unwrap().unwrap();
    own.save(&nothing_of_front()).unwrap().unwrap();
    own.save(&nothing_of_front()).unwrap().unwrap(); // there is nothing to let go
    assert_eq!((own.sight("front").unwrap(), zone_ids(&own)), (first, vec!["door".to_string()]));
    assert_eq!(fs::read_to_string(own.config.as_ref().unwrap()).unwrap(), before, "it is the owner's");
}

#[test]
fn what_the_recorder_would_not_start_with_is_refused_and_nothing_is_changed() {
    let (_dir, own) = own();
    let bad = rules(&own.rules().unwrap().text.replace("siren", "sirene"));
    let why = refused(&own, &bad);
    assert!(why.contains("sirene") && why.starts_with("rules: "), "{why}");
    assert!(own.rehearse(&bad, 1).is_err() && own.save(&rules("id =")).is_err());
    for (json, words) in [
        (
            PATH.replace("[1, 1]", "[1, 0.5]"),
            "sights: camera \"front\": zone \"path\": its points lie on one line",
        ),
        (PATH.replace("[1, 1]", "[1, 1.5]"), "points are fractions of the picture"),
        (
            r#"{"filter": {"person": {"min_score": 1.5}}}"#.into(),
            "filter.person.min_score: 1.5 is not between",
        ),
        (r#"{"filter": {"persn": {}}}"#.into(), "did you mean \"person\"?"),
        (r#"{"line": [{"id": "way", "points": [[0, 0], [0, 0]]}]}"#.into(), "line \"way\": has no length"),
        (r#"{"mask": [{"points": [[0, 0]]}]}"#.into(), "mask 1: needs 3 to 16 points"),
    ] {
        let why = refused(&own, &sight(&json));
        assert!(why.contains(words), "{why}\n  has not: {words}");
        assert!(own.rehearse(&sight(&json), 1).is_err());
    }
    assert!(!own.rules().unwrap().is_own && !own.sight("front").unwrap().is_own);
}

#[test]
fn a_configuration_that_changed_since_is_not_run_with_other_rules_or_zones_than_are_shown() {
    let (_dir, own) = own();
    let config = own.config.clone().unwrap();
    let text = fs::read_to_string(&config).unwrap();
    let why = |changed: String| {
        fs::write(&config, changed).unwrap();
        let why = format!("{:#}", load::config(Some(&config)).unwrap_err());
        fs::write(&config, &text).unwrap();
        why
    };
    own.save(&rules(&own.rules().unwrap().text)).unwrap().unwrap();
    let said = why(text.replace("panic", "button").replace("kind = \"button\"", "kind = \"panic\""));
    assert!(said.contains("rules.toml") && said.contains("no longer fits"), "{said}");
    own.save(&Draft::Rules(None)).unwrap().unwrap();
    own.save(&sight(PATH)).unwrap().unwrap();
    let said = why(text.replace("\"front\"", "\"gate\""));
    assert!(said.contains("sights.json") && said.contains("there is no camera \"front\" any more"), "{said}");
    let said = why(text.replace("[web]", "[storage]\nquota = \"1B\"\n[web]"));
    assert!(said.contains("quota") && !said.contains("sights.json"), "the file's own fault: {said}");
    fs::write(own.state_dir.join(SIGHTS), "{").unwrap();
    assert!(why(text.clone()).contains("sights.json was saved on the page and is damaged"));
}

#[test]
fn a_rehearsal_tells_the_rules_in_sentences() {
    let (_dir, own) = own();
    assert_eq!(own.rehearse(&rules(""), 24).unwrap().since_ms, None, "nothing was seen yet");
    let journal = Journal::open(&own.state_dir).unwrap();
    journal.add(Record { mono: Mono(1), wall: clock::wall(), what: What::Began { armed: false } });
    drop(journal);
    let told = own.rehearse(&rules(&own.rules().unwrap().text), 24).unwrap();
    assert!(told.since_ms.is_some());
    assert_eq!((told.moves.len(), told.left_out, told.rules[0].id.as_str()), (0, 0, "alarm"));
    assert!(told.rules[0].sentence.contains("siren"), "{}", told.rules[0].sentence);
}

#[test]
fn zones_and_limits_are_rehearsed_on_what_was_seen() {
    let (_dir, own) = own();
    let zoned = "[[rule]]\nid = \"walk\"\nwhen = { class = \"person\", camera = \"front\", zone = \"door\" }\ndo = { pulse = \"lamp\", for = \"1s\" }\n";
    own.save(&rules(zoned)).unwrap().unwrap();
    let journal = Journal::open(&own.state_dir).unwrap();
    let start = clock::wall().plus_micros(-60_000_000);
    let at = |s: u64, what| Record {
        mono: Mono(1 + s * 1_000_000),
        wall: start.plus_micros(s as i64 * 1_000_000),
        what,
    };
    journal.add(at(0, What::Began { armed: false }));
    for s in 1..5 {
        // stands at (0.6, 0.3): in the zone of the configuration
        let thing =
            SeenThing { class: "person".into(), track: 1, score: 600, bbox: [5_500, 1_000, 1_000, 2_000] };
        journal.add(at(s, What::Seen { camera: "front".into(), things: vec![thing] }));
    }
    drop(journal);
    let moves = |json: &str| own.rehearse(&sight(json), 1).unwrap().moves.len();
    const DOOR: &str = r#"{"zone": [{"id": "door", "points": [[0, 0], [1, 0], [1, 1]]}]}"#;
    assert_eq!(moves(DOOR), 2, "on and off");
    assert_eq!(moves(&DOOR.replace("[0, 0]", "[0, 0.9]").replace("[1, 0]", "[1, 0.9]")), 0, "another zone");
    assert_eq!(
        moves(&DOOR.replacen('{', r#"{"filter": {"person": {"min_score": 0.61}}, "#, 1)),
        0,
        "a limit"
    );
    assert_eq!(
        moves(&DOOR.replacen('{', r#"{"mask": [{"points": [[0, 0], [1, 0], [1, 0.5]]}], "#, 1)),
        0,
        "a mask"
    );
}
