//! Rules as sentences.

use nightjar_types::Name;
use nightjar_types::config::{Config, InputKind, Rule, RuleAction, Way};
use nightjar_types::scene::TAMPER_CLASS;
use nightjar_types::status::RuleView;
use std::time::Duration;

/// A rule that has not fired, for the page.
pub(crate) fn view(config: &Config, rule: &Rule) -> RuleView {
    RuleView { id: rule.id.to_string(), sentence: sentence(config, rule), fired: 0, fired_ms: None }
}

/// `When a person is seen on front in path for 1.5 s (score 60 % or more), switch siren on for 3 s and tell "…". At most every
/// 10 s.` The pause is that of things of one class on one camera.
pub(crate) fn sentence(config: &Config, rule: &Rule) -> String {
    let w = &rule.when;
    let mut text = match &w.circumstances.input {
        Some((id, becomes)) => touched(config, id, *becomes),
        None => seen(rule),
    };
    if !w.dwell.is_zero() {
        text += &format!(" for {}", seconds(w.dwell));
    }
    if !w.away.is_zero() {
        text += &format!(" in all, absences of up to {} aside", seconds(w.away));
    }
    if w.circumstances.input.is_none() {
        text += &format!(" (score {:.0} % or more)", w.score * 100.0);
    }
    text += match w.circumstances.armed {
        Some(true) => " while armed",
        Some(false) => " while not armed",
        None => "",
    };
    if let Some(during) = &w.circumstances.during {
        text += &format!(" during {}", during.words.join(" and "));
    }
    let actions: Vec<String> = rule.actions.iter().map(action).collect();
    text += &format!(", {}.", actions.join(" and "));
    if !rule.cooldown.is_zero() {
        text += &format!(" At most every {}.", seconds(rule.cooldown));
    }
    text
}

/// `When door is opened`.
fn touched(config: &Config, id: &Name, becomes: bool) -> String {
    let kind = config.inputs.iter().find(|i| i.id == *id).map_or(InputKind::Contact, |i| i.kind);
    let does = match (kind, becomes) {
        (InputKind::Contact, true) => "becomes active",
        (InputKind::Contact, false) => "is no longer active",
        (InputKind::Pir, true) => "sees something",
        (InputKind::Pir, false) => "sees nothing any more",
        (InputKind::Door, true) => "is opened",
        (InputKind::Door, false) => "is closed",
        (InputKind::Panic, true) => "is pressed",
        (InputKind::Panic, false) => "is let go",
        (InputKind::KeySwitch, true) => "is switched on",
        (InputKind::KeySwitch, false) => "is switched off",
        (InputKind::AcFail, true) => "says that the mains is gone",
        (InputKind::AcFail, false) => "says that the mains is back",
    };
    format!("When {id} {does}")
}

/// `When a person is seen on front in path`.
fn seen(rule: &Rule) -> String {
    let w = &rule.when;
    let doing = w.moving.map_or("", |moving| if moving { "moving " } else { "standing " });
    let thing = w.class.as_deref().unwrap_or("thing");
    let article = match w.circumstances.count {
        0 | 1 if doing.is_empty() && thing.starts_with(['a', 'e', 'i', 'o', 'u']) => "an".to_string(),
        0 | 1 => "a".into(),
        count => format!("one of {count} or more at once, a"),
    };
    let mut text = match thing {
        TAMPER_CLASS => "When tampering ".to_string(),
        thing => format!("When {article} {doing}{thing} "),
    };
    text += &match (&w.line, w.direction) {
        (Some(line), Some(Way::In)) => format!("crosses {line} inwards"),
        (Some(line), Some(Way::Out)) => format!("crosses {line} outwards"),
        (Some(line), None) => format!("crosses {line}"),
        (None, _) => "is seen".into(),
    };
    text += &w.camera.as_ref().map_or(" on any camera".into(), |c| format!(" on {c}"));
    if let Some(zone) = &w.zone {
        text += &format!(" in {zone}");
    }
    text
}

fn action(action: &RuleAction) -> String {
    match action {
        RuleAction::Pulse { output, on_for } => format!("switch {output} on for {}", seconds(*on_for)),
        RuleAction::Hold { output, linger } => format!("hold {output} on until {} after", seconds(*linger)),
        RuleAction::Latch { output } => format!("switch {output} on until it is released"),
        RuleAction::Release { output } => format!("release {output}"),
        RuleAction::Notify { text } => format!("tell \"{text}\""),
    }
}

fn seconds(d: Duration) -> String {
    let s = d.as_secs_f32();
    if s.fract() == 0.0 { format!("{s:.0} s") } else { format!("{s:.1} s") }
}

#[cfg(test)]
mod tests {
    use nightjar_types::config::Config;

    #[test]
    fn reads_like_a_sentence() {
        let text = r#"
            [[camera]]
            id = "front"
            main = "synthetic:"
            [[output]]
            id = "siren"
            line = "sim:1"
            [[rule]]
            when = { class = "person", camera = "front", dwell = "1.5s" }
            do = [{ pulse = "siren", for = "3s" }, { notify = "Hello" }]
        "#;
        let config = Config::from_toml(text, "x").unwrap();
        assert_eq!(
            super::sentence(&config, &config.rules[0]),
            "When a person is seen on front for 1.5 s (score 50 % or more), switch siren on for 3 s and tell \"Hello\". At most every 10 s."
        );
    }

    fn sentence(when: &str) -> String {
        let text = format!(
            "[[camera]]\nid = \"front\"\nmain = \"synthetic:\"\n[[camera.line]]\nid = \"gate\"\npoints = [[0, 0.5], [1, 0.5]]\n\
             [[camera.zone]]\nid = \"path\"\npoints = [[0, 0], [1, 0], [1, 1]]\n\
             [[rule]]\nwhen = {{ camera = \"front\", {when} }}\ndo = {{ notify = \"x\" }}\n"
        );
        let config = Config::from_toml(&text, "x").unwrap();
        let sentence = super::sentence(&config, &config.rules[0]);
        sentence.split(" (score").next().unwrap().to_string()
    }

    #[test]
    fn says_lines_loitering_and_what_moves() {
        let said = [
            (
                "class = \"person\", line = \"gate\", direction = \"in\"",
                "When a person crosses gate inwards on front",
            ),
            ("line = \"gate\"", "When a thing crosses gate on front"),
            (
                "class = \"car\", moving = false, dwell = \"60s\"",
                "When a standing car is seen on front for 60 s",
            ),
            ("class = \"elephant\"", "When an elephant is seen on front"),
            (
                "class = \"person\", zone = \"path\", dwell = \"30s\", away = \"10s\"",
                "When a person is seen on front in path for 30 s in all, absences of up to 10 s aside",
            ),
        ];
        for (when, expected) in said {
            assert_eq!(sentence(when), expected);
        }
    }

    #[test]
    fn says_inputs_arming_and_time() {
        let text = r#"
            [[input]]
            id = "back-door"
            line = "sim:4"
            kind = "door"
            [[output]]
            id = "siren"
            line = "sim:1"
            [[rule]]
            when = { input = "back-door", dwell = "60s", armed = true, during = ["mon-fri 22:00-06:00", "sat,sun"] }
            do = { latch = "siren" }
        "#;
        let config = Config::from_toml(text, "x").unwrap();
        assert_eq!(
            super::sentence(&config, &config.rules[0]),
            "When back-door is opened for 60 s while armed during mon-fri 22:00-06:00 and sat,sun, switch siren on until it is released."
        );
    }
}
