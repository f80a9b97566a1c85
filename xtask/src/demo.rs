//! Nothing but this machine → the recorder running on two demo cameras, with a page to open on a phone.

use crate::options::Options;
use crate::place::{Place, make_dir, write};
use crate::{run, setup, web};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let port: u16 = options.number("port", 8080)?;
    setup::for_verb(place, "demo")?;
    run::say("page");
    web::build(place)?;
    run::say("release build (some minutes the first time)");
    release_build(place)?;

    let dir = place.target("demo");
    make_dir(&dir)?;
    let config = dir.join("nightjar.toml");
    write(&config, &demo_config(place.root(), port))?;
    run::say(&format!("nightjar run --config {}   (Ctrl-C stops it)", place.short(&config)));
    println!("   footage goes to {}", place.short(&dir.join("footage")));
    // This process becomes the recorder: Ctrl-C and `kill` reach it with nobody in between who could die first.
    let error = Command::new(place.target("release/nightjar")).arg("run").arg("--config").arg(&config).exec();
    Err(error).context("can't start target/release/nightjar")
}

/// Builds both programs as they are shipped.
pub(crate) fn release_build(place: &Place) -> Result<()> {
    let mut cargo = run::cargo(place);
    cargo.args(["build", "--release", "-p", "nightjar", "-p", "nightjar-eye"]);
    run::loud("release build", &mut cargo, "the compiler's message above names the file and the line")
}

fn demo_config(root: &Path, port: u16) -> String {
    let target = root.join("target").display().to_string();
    let quoted = |path: &str| format!("{:?}", format!("{target}/{path}"));
    let file = |name: &str| format!("{:?}", format!("file:{target}/clips/{name}"));
    let mut text = format!(
        r#"# Written by `cargo xtask demo` at every start: changes here are lost.
[device]
name = "Nightjar demo"
state_dir = {state}

[storage]
path = {footage}
quota = "2GiB"

[web]
listen = "0.0.0.0:{port}"
tls = "off"

[board]
name = "sim"

[eye]
models = {models}
program = {eye}
"#,
        state = quoted("demo/state"),
        footage = quoted("demo/footage"),
        models = quoted("models"),
        eye = quoted("release/nightjar-eye"),
    );
    for (id, name, suffix) in [("front", "Front", ""), ("yard", "Yard", "-b")] {
        text += &format!(
            "\n[[camera]]\nid = \"{id}\"\nname = \"{name}\"\nmain = {}\nsub = {}\ndetect = true\n",
            file(&format!("main{suffix}.mp4")),
            file(&format!("sub{suffix}.mp4")),
        );
    }
    for (id, line) in [("siren", "sim:1"), ("light", "sim:2")] {
        text +=
            &format!("\n[[output]]\nid = \"{id}\"\nline = \"{line}\"\nactive = \"high\"\nsafe = \"off\"\n");
    }
    text += r#"
[[rule]]
id = "person-siren"
when = { class = "person", score = 0.5 }
do = [{ pulse = "siren", for = "3s" }, { notify = "A person is in the picture" }]
cooldown = "10s"
"#;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_has_two_cameras_two_relays_and_one_rule() {
        let text = demo_config(Path::new("/a place"), 8081);
        assert_eq!(text.matches("[[camera]]").count(), 2);
        assert_eq!(text.matches("[[output]]").count(), 2);
        assert_eq!(text.matches("[[rule]]").count(), 1);
        assert!(text.contains("main = \"file:/a place/target/clips/main-b.mp4\""));
        assert!(text.contains("0.0.0.0:8081"));
    }
}
