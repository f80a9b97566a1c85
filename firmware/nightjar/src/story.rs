//! Rules as sentences.

use nightjar_types::config::{Rule, RuleAction};
use nightjar_types::scene::TAMPER_CLASS;
use std::time::Duration;

/// `When a person is seen on front in path for 1.5 s (score 60 %), switch siren on for 3 s and tell "…". At most every 10 s.`
pub(crate) fn sentence(rule: &Rule) -> String {
    let w = &rule.when;
    let mut text = match w.class.as_deref() {
        Some(TAMPER_CLASS) => "When tampering is seen".to_string(),
        class => format!("When a {} is seen", class.unwrap_or("thing")),
    };
    text += &w.camera.as_ref().map_or(" on any camera".into(), |c| format!(" on {c}"));
    if let Some(zone) = &w.zone {
        text += &format!(" in {zone}");
    }
    if !w.dwell.is_zero() {
        text += &format!(" for {}", seconds(w.dwell));
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
}
