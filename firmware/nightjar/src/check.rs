//! A storage folder, in use or on a pulled card → what `nightjar check` says of it.

use crate::load;
use anyhow::{Context, bail};
use nightjar_io::storage::check::{Report, check};
use std::path::{Path, PathBuf};

/// Looks, prints, and says whether all is well.
pub(crate) fn run(
    folder: Option<&Path>,
    config: Option<&Path>,
    rebuild: bool,
    json: bool,
) -> anyhow::Result<bool> {
    let folder = match (folder, config) {
        (Some(folder), None) => folder.to_path_buf(),
        (None, Some(config)) => PathBuf::from(load::config(Some(config))?.storage.path),
        _ => bail!("name the storage folder, or --config with the recorder's configuration"),
    };
    let report = check(&folder, rebuild).with_context(|| folder.display().to_string())?;
    if json {
        println!("{}", serde_json::to_string_pretty(&report).context("a report is plain data")?);
    } else {
        print!("{}", words(&report));
    }
    Ok(report.violations == 0)
}

fn words(r: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!(
        "volume {}{}",
        r.volume.as_deref().unwrap_or("(no marker)"),
        if r.in_use { ", in use: the index was not looked at" } else { "" }
    ));
    for s in &r.streams {
        let hours = s.seconds / 3_600.0;
        line(format!("{}: {} to {}, {hours:.1} h recorded in {} slabs", s.stream, s.from, s.to, s.slabs));
    }
    let megabytes = r.read_bytes as f64 / 1e6;
    line(format!(
        "read {} records of {} slabs, {} events, {} more slabs wait; {megabytes:.0} MB in {:.1} s",
        r.records, r.slabs, r.events, r.waiting, r.seconds
    ));
    if r.video_bytes > 0 {
        let ratio = r.written_bytes as f64 / r.video_bytes as f64;
        let gigabytes = r.written_bytes as f64 / 1e9;
        line(format!(
            "wear: {gigabytes:.1} GB written since the volume was made, {ratio:.3} bytes a byte of video"
        ));
    }
    if r.rebuilt {
        line("the index was made again from the slabs".into());
    }
    for f in &r.findings {
        line(format!("invariant {}: {}: {}", f.invariant, f.file, f.words));
    }
    match r.violations {
        0 => line("every invariant holds".into()),
        n if n as usize > r.findings.len() => {
            line(format!("{n} violations, the first {} are listed", r.findings.len()))
        }
        1 => line("1 violation".into()),
        n => line(format!("{n} violations")),
    }
    out
}
