//! Text of a config file → the config, or faults that a person can mend and that tell no password.

use nightjar_io::source::{Captures, Opening};
use nightjar_types::config::{Config, ConfigError, duration};

/// Stands where a password is; no message may hold it.
const PASSWORD: &str = "hunter2-hunter2";

/// Words that mean something here.
pub(crate) const WORDS: &[&str] = &[
    "[[camera]]",
    "[[output]]",
    "[[rule]]",
    "[[camera.zone]]",
    "[[camera.mask]]",
    "[[camera.line]]",
    "[camera.filter.person]",
    "[night]",
    "[storage]",
    "[web]",
    "[eye]",
    "[device]",
    "[board]",
    "id = \"a\"",
    "main = \"",
    "rtsp://h/",
    "synthetic:",
    "file:/",
    "?offset=",
    "?fps=",
    "password = ",
    "password_file = ",
    "username = ",
    "points = [[0,0],[1,0],[1,1]]",
    "line = \"sim:1\"",
    "active = ",
    "safe = ",
    "max_on = ",
    "when = {",
    "do = {",
    "pulse = ",
    "hold = ",
    "notify = ",
    "linger = ",
    "cooldown = ",
    "dwell = ",
    "quota = ",
    "sync = ",
    "listen = ",
    "tls = ",
    "\"\"\"",
    "'''",
    "nan",
    "inf",
    "1979-05-27",
    "\"500ms\"",
    "\"64GiB\"",
    "10min",
];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const WHOLE: &str = r#"
[device]
name = "shed"
[storage]
path = "/srv/footage"
quota = "64GiB"
sync = "1s"
[web]
listen = "0.0.0.0:8443"
tls = "auto"
[board]
name = "sim"
[eye]
threads = 2
min_score = 0.3
[[camera]]
id = "front"
name = "Front door"
main = "rtsp://192.0.2.7:554/main?x=1"
sub = "synthetic:?width=320&height=180&fps=5"
username = "viewer"
password = "s"
[[camera.zone]]
id = "path"
points = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
[[camera]]
id = "clip"
main = "file:/srv/clip.mp4?offset=3.5"
detect = false
[[output]]
id = "siren"
line = "sim:1"
active = "low"
safe = "off"
max_on = "5min"
[[rule]]
when = { class = "person", camera = "front", zone = "path", score = 0.6, dwell = "2s" }
do = [{ pulse = "siren", for = "3s" }, { notify = "someone is here" }]
cooldown = "30s"
"#;
    let texts = [
        WHOLE,
        "",
        "[[camera]]\nid = \"a\"\nmain = \"rtsp://u:p@h/\"\npassword = 5",
        "[[camera]]\nid = \"a\"\nmain = \"v4l2:by-id/usb-cam?size=640x360&fps=15&format=mjpeg\"\nsub = \"csi:0?bitrate=2M&gop=2s\"",
        "[[rule]]\ndo = { hold = \"siren\", linger = \"2s\" }\nwhen = { zone = \"x\" }",
        "nmae = 1",
        "\"x\"",
        "\"hunter2-hunter2\" x",
        "1.5GiB",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The bytes as a whole file, as a length of time, and around a password.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = duration(text);
    match Config::from_toml(text, "nightjar.toml") {
        Ok(config) => open(&config),
        Err(error) => explain(&error, text),
    }
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    let camera = "[[camera]]\nid = \"a\"\nmain = \"rtsp://h/\"\nusername = \"u\"\npassword =";
    for value in
        [format!("\"{PASSWORD}\"{line}"), format!("{line}{PASSWORD}"), format!("\"{PASSWORD}{line}\"")]
    {
        let typed = format!("{camera} {value}\n");
        match Config::from_toml(&typed, "nightjar.toml") {
            Ok(config) => {
                assert!(!format!("{config:?}").contains(PASSWORD), "a password is printed: {typed}")
            }
            Err(error) => {
                explain(&error, &typed);
                assert!(!error.to_string().contains(PASSWORD), "a fault tells the password: {error}");
            }
        }
    }
}

/// Ranges were checked; addresses are taken apart by the source that they name, which connects to nothing yet.
fn open(config: &Config) {
    assert!((0.0..=1.0).contains(&config.eye.min_score) && (1..=16).contains(&config.eye.threads));
    assert!((0.05..=64.0).contains(&config.eye.cpu));
    let captures = Captures::default();
    for camera in &config.cameras {
        assert!(camera.zones.iter().all(|zone| (3..=16).contains(&zone.points.len())));
        for url in std::iter::once(&camera.main).chain(&camera.sub) {
            let opening = Opening { url, camera: camera.id.as_str(), login: None, captures: &captures };
            let _ = nightjar_io::source::open(&opening);
        }
    }
    assert!(config.rules.iter().all(|rule| (1..=4).contains(&rule.actions.len())));
}

fn explain(error: &ConfigError, text: &str) {
    assert!(!error.faults.is_empty(), "refused without a word");
    let lines = text.split('\n').count();
    for fault in &error.faults {
        assert!(
            !fault.text.is_empty() && fault.line.is_none_or(|line| (1..=lines).contains(&line)),
            "{error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_seed_uses_every_part_and_is_valid() {
        let text = String::from_utf8(seeds().swap_remove(0)).expect("seeds are text");
        let config = Config::from_toml(&text, "seed").expect("it is valid");
        assert!(!config.cameras.is_empty() && !config.outputs.is_empty() && !config.rules.is_empty());
    }
}
