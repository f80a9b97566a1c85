//! Built programs, the page and the detector → their sizes, and how long one look at a picture takes.

use super::stage::Stage;
use super::table::{Section, Target};
use crate::{cross, run, web};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::process::Command;

pub(super) const SIZES: &str = "Programs and page";
pub(super) const DETECTOR: &str = "Detector";
/// Pictures whose inference is timed.
const INFERENCES: &str = "200";

fn section(title: &'static str, notes: String) -> Section {
    let targets: Vec<Target> = Vec::new();
    Section { title, notes, of: "", columns: &[], rows: Vec::new(), targets }
}

pub(super) fn sizes(stage: &Stage<'_>) -> Result<Section> {
    let place = stage.place;
    let mut text = String::from("| what | size |\n|---|---|\n");
    for program in ["nightjar", "nightjar-eye"] {
        let native = place.target(&format!("release/{program}"));
        for (path, arch) in
            [(native, std::env::consts::ARCH), (cross::built(place, cross::ARM64, program), "aarch64, cross")]
        {
            if let Ok(data) = path.metadata() {
                writeln!(text, "| {program} ({arch}) | {:.1} MB |", data.len() as f64 / 1e6).ok();
            }
        }
    }
    writeln!(text, "| the phone page, gzipped | {:.1} kB |", web::gzipped(place)? as f64 / 1e3).ok();
    Ok(section(SIZES, text))
}

/// Median milliseconds that the eye takes to look at a picture of the clip, by every model variant and runtime, and what
/// a decoded picture costs.
pub(super) fn detector(stage: &Stage<'_>) -> Result<Section> {
    let place = stage.place;
    let mut eye = Command::new(place.target("release/nightjar-eye"));
    eye.args(["bench", "--json", "--runs", INFERENCES, "--models"]).arg(place.target("models"));
    let text = run::capture(eye.arg("--input").arg(place.target("clips/vtest.mp4")))?;
    let said: serde_json::Value =
        serde_json::from_str(&text).context("nightjar-eye bench printed no JSON")?;
    let list = |key: &str| said[key].as_array().with_context(|| format!("nightjar-eye bench told no {key}"));
    let mut table = format!(
        "| one look at a picture of the pedestrian clip, one thread, {INFERENCES} looks | runtime | median |\n|---|---|---|\n"
    );
    for run in list("models")? {
        let cost = match (run["fault"].as_str(), run["look_ms"].as_f64()) {
            (Some(fault), _) => format!("not used: {fault}"),
            (None, ms) => format!("{:.1} ms", ms.context("nightjar-eye bench told no look_ms")?),
        };
        let name = |key: &str| run[key].as_str().unwrap_or("?").to_owned();
        writeln!(table, "| {} | {} | {cost} |", name("card"), name("runtime")).ok();
    }
    table.push_str("\n| decoder, a picture of 640×360 | processor time |\n|---|---|\n");
    for run in list("decoders")?.iter().filter(|d| d["cpu_ms"].is_number()) {
        let (element, ms) =
            (run["element"].as_str().unwrap_or("?"), run["cpu_ms"].as_f64().unwrap_or_default());
        writeln!(table, "| {element} | {ms:.2} ms |").ok();
    }
    Ok(section(DETECTOR, table))
}
