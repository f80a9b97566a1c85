//! Rules as sentences.

use nightjar_types::config::{Rule, RuleAction, Way};
use nightjar_types::scene::TAMPER_CLASS;
use std::time::Duration;

/// `When a person is seen on front in path for 1.5 s (score 60 % or more), switch siren on for 3 s and tell "…". At most every
/// 10 s.` The pause is that of things of one class on one camera.
pub(crate) fn sentence(rule: &Rule) -> String {
    let w = &rule.when;
    let doing = w.moving.map_or("", |moving| if moving { "moving " } else { "standing " });
    let thing = w.class.as_deref().unwrap_or("thing");
    let article = if doing.is_empty() && thing.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
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
    if !w.dwell.is_zero() {
        text += &format!(" for {}", seconds(w.dwell));
    }
    if !w.away.is_zero() {
        text += &format!(" in all, absences of up to {} aside", seconds(w.away));
    }
    text += &format!(" (score {:.0} % or more), ", w.score * 100.0);
    let actions: Vec<String> = rule.actions.iter().map(action).collect();
    text += &actions.join(" and ");
    format!("{text}. At most every {}.", seconds(rule.cooldown))
}

fn action(action: &RuleAction) -> String {
    match action {
        RuleAction::Pulse { output, on_for } => format!("switch {output} on for {}", seconds(*on_for)),
        RuleAction::Hold { output, linger } => format!("hold {output} on until {} after", seconds(*linger)),
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
            super::sentence(&config.rules[0]),
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
        let sentence = super::sentence(&config.rules[0]);
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
}
