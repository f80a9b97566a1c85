use super::*;

fn refused(text: &str) -> String {
    Config::from_toml(text, "nightjar.toml").unwrap_err().to_string()
}

const GOOD: &str = r#"
[storage]
path = "footage"
quota = "64GiB"
[web]
listen = "0.0.0.0:8443"
tls = "auto"
[[camera]]
id = "front"
name = "Front door"
main = "rtsp://10.0.0.2/main"
sub = "rtsp://10.0.0.2/sub"
username = "nightjar"
password = "hunter2"
[[camera.zone]]
id = "path"
points = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
[[output]]
id = "siren"
line = "GPIO17"
active = "low"
safe = "off"
[[rule]]
when = { class = "person", camera = "front", zone = "path", score = 0.6, dwell = "1.5s" }
do = [{ pulse = "siren", for = "3s" }, { notify = "Person at the front door" }]
"#;

#[test]
fn reads_the_whole_contract() {
    let c = Config::from_toml(GOOD, "x").unwrap();
    assert_eq!(c.storage.quota, 64 << 30);
    assert_eq!(c.cameras[0].zones[0].points.len(), 3);
    assert!(c.outputs[0].is_active_low && !c.outputs[0].is_safe_on);
    assert_eq!(c.rules[0].when.dwell, Duration::from_millis(1_500));
    assert_eq!(c.rules[0].actions.len(), 2);
    assert_eq!(c.rules[0].id.as_str(), "rule-1");
    assert!(!format!("{c:?}").contains("hunter2"));
}

#[test]
fn one_action_needs_no_list() {
    let c = Config::from_toml(
        &GOOD.replace(
            "[{ pulse = \"siren\", for = \"3s\" }, { notify = \"Person at the front door\" }]",
            "{ hold = \"siren\" }",
        ),
        "x",
    );
    assert!(matches!(c.unwrap().rules[0].actions[0], RuleAction::Hold { .. }));
}

#[test]
fn the_empty_file_is_the_default() {
    assert_eq!(Config::from_toml("", "x").unwrap(), Config::default());
}

#[test]
fn a_mistyped_key_is_told_with_line_and_near_name() {
    assert_eq!(
        refused("[storage]\nqouta = \"1GiB\"\n"),
        "nightjar.toml:2: unknown key \"qouta\"; did you mean \"quota\"?"
    );
    assert!(refused(&GOOD.replace("notify =", "notfiy =")).contains("did you mean \"notify\""));
}

#[test]
fn names_what_clashes() {
    let twice = format!("{GOOD}\n[[camera]]\nid = \"front\"\nmain = \"synthetic:\"\n");
    assert!(refused(&twice).contains("two cameras have the id \"front\""));
    let taken = format!("{GOOD}\n[[output]]\nid = \"gate\"\nline = \"GPIO17\"\n");
    assert!(refused(&taken).contains("output \"gate\": line GPIO17 is taken by output \"siren\""));
    assert!(
        refused(&GOOD.replace("pulse = \"siren\"", "pulse = \"horn\""))
            .contains("there is no output \"horn\"")
    );
    assert!(refused(&GOOD.replace("zone = \"path\"", "zone = \"lawn\"")).contains("has no zone \"lawn\""));
}

#[test]
fn tells_all_faults_at_once() {
    let text = refused("[web]\nlisten = \"nowhere\"\ntls = \"maybe\"\n[storage]\nquota = \"1MiB\"\n");
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn refuses_a_password_in_the_address_without_repeating_it() {
    let text = refused("[[camera]]\nid = \"a\"\nmain = \"rtsp://u:hunter2@h/x\"\n");
    assert!(text.contains("username and password") && !text.contains("hunter2"), "{text}");
}

#[test]
fn sizes_and_times_have_units() {
    assert!(refused("[storage]\nquota = \"64 parsecs\"\n").contains("a size such as"));
    assert!(refused("[storage]\nsync = 5\n").contains("a time such as"));
}

#[test]
fn never_repeats_a_password_that_is_no_text() {
    for wrong in ["4815162342", "[\"4815162342\"]", "\"4815162342"] {
        let text = refused(&GOOD.replace("\"hunter2\"", wrong));
        assert!(text.contains("in quotes") && !text.contains("4815162342"), "{text}");
    }
}

#[test]
fn a_camera_overrules_what_all_record_and_keep() {
    let text = GOOD.replace(
        "[web]",
        "[record]\nmain = \"motion\"\npre_roll = \"8s\"\n[keep]\ncontinuous = { age = \"7d\" }\n[web]",
    );
    let own = "[camera.record]\nmain = \"event\"\n[camera.keep]\nevent = { age = \"30d\", bytes = \"10GiB\" }\nthin = { after = \"2d\", to = \"sub\" }\n[[output]]";
    let c = Config::from_toml(&text.replacen("[[output]]", own, 1), "x").unwrap();
    let (record, keep) = (&c.cameras[0].record, &c.cameras[0].keep);
    assert_eq!((record.main, record.sub, record.pre_roll.as_secs()), (Mode::Event, Mode::Continuous, 8));
    assert_eq!(keep.continuous.age.unwrap().as_secs(), 7 * 86_400);
    assert_eq!(keep.event.bytes, Some(10 << 30));
    assert_eq!(keep.thin.unwrap().to, ThinTo::Sub);
    assert_eq!(c.record.main, Mode::Motion);
    let wrong = GOOD.replace("[web]", "[record]\nmain = \"sometimes\"\n[keep]\nevent = {}\n[web]");
    let words = refused(&wrong);
    assert!(words.contains("sometimes") && words.contains("[keep] event"), "{words}");
}

/// The good file with more for its camera, and another condition for its rule.
fn with(camera: &str, when: &str) -> String {
    let text = GOOD.replacen("[[output]]", &format!("{camera}\n[[output]]"), 1);
    let (before, rest) = text.split_once("when = {").unwrap();
    let (_, after) = rest.split_once("}\n").unwrap();
    format!("{before}when = {{ {when} }}\n{after}")
}

const SIGHT: &str = r#"
classes = ["person", "car"]
[camera.zone.filter.person]
min_height = 0.2
[camera.eye]
min_score = 0.2
[camera.filter.person]
min_score = 0.6
min_height = 0.05
[[camera.mask]]
points = [[0, 0], [1, 0], [1, 0.2]]
[[camera.line]]
id = "gate"
points = [[0.1, 0.5], [0.9, 0.5]]
"#;

#[test]
fn reads_masks_lines_filters_and_scores_of_a_camera() {
    let when = "class = \"person\", camera = \"front\", line = \"gate\", direction = \"in\", moving = true";
    let c = Config::from_toml(&with(SIGHT, when), "x").unwrap();
    let camera = &c.cameras[0];
    assert_eq!((camera.scores.min_score, camera.scores.event_score), (Some(0.2), None));
    assert_eq!(camera.filter.limits["person"].min_height, 0.05);
    assert_eq!(camera.filter.limits["person"].max_width, 1.0);
    assert_eq!(camera.zones[0].filter.classes, ["person", "car"], "the zone's, behind which the key stands");
    assert_eq!(camera.zones[0].filter.limits["person"].min_height, 0.2);
    assert_eq!((camera.masks[0].len(), camera.lines[0].id.as_str()), (3, "gate"));
    let when = &c.rules[0].when;
    assert_eq!((when.direction, when.moving), (Some(Way::In), Some(true)));
    let loiter = "camera = \"front\", zone = \"path\", dwell = \"30s\", away = \"10s\"";
    assert_eq!(Config::from_toml(&with("", loiter), "x").unwrap().rules[0].when.away.as_secs(), 10);
}

#[test]
fn what_cannot_be_seen_is_named_with_the_mend() {
    let camera = |text: &str| refused(&with(text, "camera = \"front\""));
    let when = |text: &str| refused(&with(SIGHT, text));
    for (words, expected) in [
        (
            camera("[[camera.mask]]\npoints = [[0, 0], [0.5, 0.5], [1, 1]]"),
            "camera \"front\": mask 1: its points lie on one line; draw an area",
        ),
        (camera("[[camera.mask]]\npoints = [[0, 0], [0.5, 0.5]]"), "mask 1: needs 3 to 16 points, has 2"),
        (camera("[[camera.mask]]\npoints = [[0, 0], [2, 0], [1, 1]]"), "fractions of the picture"),
        (
            camera("[[camera.line]]\nid = \"a\"\npoints = [[0.1, 0.1], [0.1, 0.1]]"),
            "line \"a\": has no length",
        ),
        (camera("[[camera.line]]\nid = \"a\"\npoints = [[0.1, 0.1]]"), "line \"a\": needs 2 points, has 1"),
        (
            camera("[camera.filter.persn]\nmin_score = 0.5"),
            "there is no class \"persn\"; did you mean \"person\"?",
        ),
        (
            camera("[camera.filter.person]\nmin_height = 0.5\nmax_height = 0.4"),
            "min_height (0.5) is above max_height (0.4)",
        ),
        (
            camera("[camera.filter.person]\nmin_score = 50"),
            "filter.person.min_score: 50 is not between 0 and 1",
        ),
        (camera("[camera.filter.person]\nmin_hieght = 0.5"), "did you mean \"min_height\"?"),
        (camera("[camera.eye]\nevent_score = 7"), "eye.event_score is not between 0 and 1"),
        (when("class = \"Perosn\""), "did you mean \"person\"?"),
        (when("line = \"gate\""), "a line belongs to a camera"),
        (when("camera = \"front\", line = \"gaet\""), "has no line \"gaet\"; did you mean \"gate\"?"),
        (when("camera = \"front\", line = \"gate\", direction = \"left\""), "neither \"in\" nor \"out\""),
        (when("camera = \"front\", direction = \"in\""), "a direction is that of a line"),
        (when("camera = \"front\", line = \"gate\", dwell = \"1s\""), "make two rules of it"),
        (when("camera = \"front\", away = \"1s\""), "away only means something with dwell"),
        (refused("[night]\nload = 7\nquiet = \"0s\"\ntemperature = 700\n"), "[night] load: 7"),
    ] {
        assert!(words.contains(expected), "{words}\n  has not: {expected}");
    }
    // another model may know what ours do not
    assert!(Config::from_toml(&with("", "class = \"forklift\""), "x").is_ok());
}

#[test]
fn local_cameras_are_checked_and_a_device_belongs_to_one_camera() {
    let camera = |id: &str, main: &str| format!("[[camera]]\nid = \"{id}\"\nmain = \"{main}\"\n");
    let good = camera("usb", "v4l2:by-id/usb-cam?fps=15")
        + "sub = \"v4l2:by-id/usb-cam?size=640x360\"\n"
        + &camera("pi", "csi:0");
    assert_eq!(Config::from_toml(&good, "x").unwrap().cameras.len(), 2);
    let two = good + &camera("other", "v4l2:by-id/usb-cam");
    assert!(refused(&two).contains("camera \"other\": v4l2:by-id/usb-cam is camera \"usb\" already"));
    let number = refused(&camera("a", "v4l2:/dev/video0"));
    assert!(
        number.contains("camera \"a\": main: v4l2:") && number.contains("nightjar-eye cameras"),
        "{number}"
    );
    let login = camera("a", "csi:0") + "username = \"u\"\npassword = \"hunter2\"\n";
    assert!(refused(&login).contains("has no login"));
    let both = camera("a", "test:") + &camera("b", "test:");
    assert!(Config::from_toml(&both, "x").is_ok(), "a made-up camera can be had twice");
}

const IO: &str = r#"
[device]
timezone = "Europe/Berlin"
[arm]
schedule = ["mon-fri 22:00-06:00", "sat,sun"]
[[input]]
id = "door"
line = "sim:4"
kind = "door"
active = "low"
pull = "up"
[[input]]
id = "key"
line = "sim:5"
kind = "key-switch"
debounce = "0ms"
[[output]]
id = "up"
line = "sim:1"
min_off = "1s"
cooldown = "30s"
never_with = "down"
[[output]]
id = "down"
line = "sim:2"
[[rule]]
when = { input = "door", becomes = "off", dwell = "5s", armed = true, during = "22:00-06:00" }
do = [{ latch = "up" }, { release = "down" }]
[[rule]]
when = { class = "person", count = 2 }
do = { pulse = "up" }
dry_run = true
"#;

#[test]
fn reads_inputs_arming_and_outputs_that_are_kept_apart() {
    let c = Config::from_toml(IO, "x").unwrap();
    let [door, key] = &c.inputs[..] else { panic!("{:?}", c.inputs) };
    assert_eq!((door.kind, door.is_active_low, door.pull), (InputKind::Door, true, Pull::Up));
    assert_eq!((door.debounce.as_millis(), key.debounce.as_millis()), (50, 0));
    assert_eq!(c.arm.schedule.unwrap().spans.len(), 7);
    let up = &c.outputs[0];
    assert_eq!((up.min_off.as_secs(), up.cooldown.as_secs(), up.never_with[0].as_str()), (1, 30, "down"));
    let [door, person] = &c.rules[..] else { panic!("{:?}", c.rules) };
    let given = &door.when.circumstances;
    assert_eq!(given.input.as_ref().map(|(id, on)| (id.as_str(), *on)), Some(("door", false)));
    assert_eq!((given.armed, given.during.as_ref().map(|d| d.spans.len())), (Some(true), Some(7)));
    assert_eq!((door.cooldown.as_secs(), person.cooldown.as_secs()), (0, 10), "a button is obeyed each time");
    assert!(matches!(door.actions[..], [RuleAction::Latch { .. }, RuleAction::Release { .. }]));
    assert!(person.is_dry_run && person.when.circumstances.count == 2);
}

#[test]
fn what_cannot_be_heard_or_kept_apart_is_named_with_the_mend() {
    for (from, to, expected) in [
        ("line = \"sim:5\"", "line = \"sim:1\"", "input \"key\": line sim:1 is taken by output \"up\""),
        (
            "never_with = \"down\"",
            "never_with = \"dwon\"",
            "output \"up\": never_with: there is no output \"dwon\"",
        ),
        ("never_with = \"down\"", "never_with = \"up\"", "it is that output itself"),
        ("never_with = \"down\"", "never_with = \"down\"\nsafe = \"on\"", "only outputs with safe = \"off\""),
        ("input = \"door\"", "input = \"gate\"", "rule \"rule-1\": there is no input \"gate\""),
        ("becomes = \"off\"", "becomes = \"shut\"", "\"shut\" is neither \"on\" nor \"off\""),
        ("input = \"door\"", "camera = \"front\"", "becomes is said of an input"),
        (
            "input = \"door\"",
            "input = \"door\", class = \"cat\"",
            "class is said of what a camera sees, not of an input",
        ),
        ("during = \"22:00-06:00\"", "during = \"at night\"", "\"at night\" is no time of the week such as"),
        ("count = 2", "count = 0", "count: at least 1"),
        ("kind = \"door\"", "kind = \"dor\"", "unknown variant `dor`"),
        ("{ latch = \"up\" }", "{ latch = \"up\", for = \"3s\" }", "{latch = \"output\"}"),
        ("{ latch = \"up\" }", "{ latch = \"up\", pulse = \"up\" }", "an action is"),
    ] {
        let words = refused(&IO.replacen(from, to, 1));
        assert!(words.contains(expected), "{words}\n  has not: {expected}");
    }
}
