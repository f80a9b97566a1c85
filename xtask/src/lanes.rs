//! Test programs → run, two at a time: most wait for cameras, clocks and disks, those of the eye for the processor.

use crate::pair;
use crate::place::Place;
use crate::run;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A test program and the folder of its crate, in which it runs.
struct Program {
    path: PathBuf,
    folder: PathBuf,
}

/// Builds every test program of the workspace and runs each once. `look` sees every line of their output. Gives whether all
/// ended well.
pub(crate) fn run(
    place: &Place,
    env: &(dyn Fn(&mut Command) + Sync),
    look: impl FnMut(&str) + Send,
) -> Result<bool> {
    let programs = build(place)?;
    let shown = Mutex::new((look, true));
    // The eye's come first in the list, those that wait last: one of each at a time.
    pair::each(programs, &|program: Program| {
        let mut command = Command::new(&program.path);
        run::forget_crate(&mut command);
        command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
        env(&mut command);
        let out = command.stdin(Stdio::null()).output();
        let out = out.with_context(|| format!("can't start {}", place.short(&program.path)))?;
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        run::say(&place.short(&program.path));
        for bytes in [&out.stdout, &out.stderr] {
            for line in String::from_utf8_lossy(bytes).lines() {
                println!("{line}");
                (shown.0)(line);
            }
        }
        if !out.status.success() {
            println!("{} FAILED: {}", place.short(&program.path), out.status);
            shown.1 = false;
        }
        Ok(())
    })?;
    Ok(shown.into_inner().unwrap_or_else(PoisonError::into_inner).1)
}

/// All programs: the eye's first, the others by their crates' folders.
///
/// The recorder's own programs, which the tests start, come from the same call: one by itself would choose other features for the
/// dependencies, and compile half of them twice. There are no examples in the docs, so there is no third call for them.
fn build(place: &Place) -> Result<Vec<Program>> {
    let mut cargo = run::cargo(place);
    cargo.args(["build", "--workspace", "--all-targets", "--message-format=json-render-diagnostics"]);
    let mut child = cargo.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("can't start cargo")?;
    let out = child.stdout.take().context("cargo's output was not piped")?;
    let mut programs = Vec::new();
    for line in BufReader::new(out).lines() {
        let message = serde_json::from_str(&line.context("can't read cargo's output")?);
        programs.extend(message.ok().and_then(|message| program(&message)));
    }
    if !child.wait().context("lost sight of cargo")?.success() {
        bail!("the tests do not build: the compiler's message above names the file and the line");
    }
    let place = |p: &Program| (!p.folder.ends_with("eye"), p.folder.clone(), p.path.clone());
    programs.sort_by_cached_key(place);
    Ok(programs)
}

fn program(message: &Value) -> Option<Program> {
    let is_test = message["profile"]["test"].as_bool()?;
    let path = message["executable"].as_str().filter(|_| is_test)?;
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    Some(Program { path: path.into(), folder: folder.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn test_programs_are_picked_from_cargos_messages() {
        let mut message = json!({
            "reason": "compiler-artifact", "manifest_path": "/n/firmware/io/Cargo.toml",
            "profile": { "test": true }, "executable": "/n/target/debug/deps/storage-1",
        });
        let found = program(&message).expect("it is one");
        assert_eq!(
            (found.folder.as_path(), found.path.as_path()),
            (Path::new("/n/firmware/io"), Path::new("/n/target/debug/deps/storage-1"))
        );
        message["profile"]["test"] = json!(false);
        assert!(program(&message).is_none());
        assert!(program(&json!({ "reason": "build-finished" })).is_none());
    }
}
