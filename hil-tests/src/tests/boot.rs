//! From a flashed card to footage; what is on the board; a camera on it; a factory reset.

use super::setting::{self, CAMERAS, PATIENCE, configure, flash, put_aside, ready, recording, running};
use crate::card::{DATA, STATE};
use crate::clock::Stopwatch;
use crate::page;
use crate::suite::{Lab, locked};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Seconds from power on of a flashed card to the page and to the first footage of both cameras.
pub(super) fn records(lab: &mut Lab) -> Result<String> {
    // Whoever needs a board that is up waits for this one.
    let common = lab.common.clone();
    let mut aside = locked(&common.aside);
    flash(lab)?;
    let watch = Stopwatch::start();
    lab.bed.power_on()?;
    page::answers(lab.bed.as_ref(), PATIENCE)?;
    let answers = watch.seconds();
    let page = recording(lab)?;
    let mut footage: f64 = 0.0;
    for camera in CAMERAS {
        footage = footage.max(page.footage_after(watch.seconds(), camera)?);
    }
    *aside = Some(put_aside(lab)?);
    Ok(format!("page after {answers:.0} s, footage of both from {footage:.0} s on"))
}

/// What the image promises and what is easily lost by a change to it.
pub(super) fn is_as_designed(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    let bed = lab.bed.as_ref();
    bed.run("grep -q ' / ext4 ro' /proc/mounts && ! touch /usr/x 2>/dev/null")?;
    bed.run("mountpoint -q /state && mountpoint -q /data")?;
    let settings = bed.run("readlink -f /etc/nightjar /var/lib/nightjar /var/lib/nightjar-ota")?;
    if settings != "/state/etc\n/state/nightjar\n/state/ota" {
        bail!("what must outlive an update is not on \"state\": {settings}");
    }
    bed.run("test \"$(systemctl show --property=User --value nightjar)\" = nightjar")?;
    bed.run("test \"$(cat /proc/sys/kernel/panic)\" = 5")?;
    let watchdog = bed.run("systemctl show --property=RuntimeWatchdogUSec --property=WatchdogDevice")?;
    if !watchdog.contains("/dev/watchdog") || watchdog.contains("RuntimeWatchdogUSec=0") {
        bail!("the watchdog is not armed: {watchdog}");
    }
    bed.run("test \"$(cat /sys/module/block/parameters/events_dfl_poll_msecs)\" = 2000")?;
    bed.run("udevadm verify /usr/lib/udev/rules.d/60-nightjar*.rules")?;
    // The image's own floor, which RAUC keeps to, is the agent's too.
    bed.run("nightjar-ota status | grep -q 'floor: [0-9]'")?;
    let failed = bed.run("systemctl list-units --failed --plain --no-legend | awk '{print $1}'")?;
    if !failed.is_empty() {
        bail!("units have failed: {failed}");
    }
    let exposed = bed.run(
        "for unit in nightjar nightjar-smart nightjar-ota; do [ ! -e /usr/lib/systemd/system/$unit.service ] || \
         systemd-analyze security --no-pager $unit.service | sed -n \"s/^.*exposure level for \\(.*\\).service: \\([0-9.]*\\).*/\\1 \\2/p\"; done",
    )?;
    for line in exposed.lines() {
        let level: f64 = line.split_whitespace().last().and_then(|text| text.parse().ok()).unwrap_or(10.0);
        if level > 3.0 {
            bail!("a service is let do more than it needs (systemd-analyze security above 3.0): {line}");
        }
    }
    let size = bed.run("df --output=size -m /data | tail -1")?;
    let memory = bed.run("awk '/MemAvailable/{print int($2/1024)}' /proc/meminfo")?;
    Ok(format!(
        "exposure {}; footage partition {size} MiB; {memory} MiB of memory free",
        exposed.replace('\n', ", ")
    ))
}

/// The kernel's made-up camera, or one that is plugged in.
pub(super) fn local_camera(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let camera = setting::local_camera(lab.bed.as_ref())?;
    configure(lab, &camera)?;
    let page = recording(lab)?;
    page::records(&page, &["local"], PATIENCE)?;
    let cameras = page.json("/api/v1/cameras")?;
    let local = cameras.as_array().into_iter().flatten().find(|camera| camera["id"] == "local");
    let stream = local.map(|camera| camera["streams"][0].clone()).unwrap_or_default();
    Ok(format!(
        "{} {}×{}, {:.1} pictures/s",
        stream["codecs"],
        stream["width"],
        stream["height"],
        stream["fps"].as_f64().unwrap_or(0.0)
    ))
}

/// Settings, users and keys go and footage stays; then footage goes too.
pub(super) fn factory_reset(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    let before: usize =
        lab.bed.run("find /data/footage -name '*.mp4' | wc -l")?.parse().context("no number")?;
    lab.bed.run("echo state > /state/factory-reset && sync")?;
    let kept = wiped(lab)?;
    lab.bed.leave("factory-reset", "all\n")?;
    let after = wiped(lab)?;
    // No camera is configured after the first, so nothing is recorded that was not there.
    if before == 0 || kept != before || after != 0 {
        bail!("{before} recordings, {kept} after a reset of \"state\", {after} after one of \"all\"");
    }
    Ok(format!("\"state\": settings gone, {kept} of {before} recordings left; \"all\": {after} left"))
}

/// Starts a board that was told to forget, and looks into its card: how many recordings are on it.
fn wiped(lab: &mut Lab) -> Result<usize> {
    lab.bed.power_cut()?;
    lab.bed.power_on()?;
    page::answers(lab.bed.as_ref(), PATIENCE)?;
    lab.bed.power_cut()?;
    let state = lab.bed.files(STATE)?;
    let settings = std::fs::read_to_string(state.join("etc/nightjar.toml")).context("no settings at all")?;
    if settings.contains("board-test") {
        bail!("the settings are those of before");
    }
    for left in ["ssh/authorized_keys", "factory-reset"] {
        if state.join(left).exists() {
            bail!("{left} is left on \"state\"");
        }
    }
    Ok(recordings(&lab.bed.files(DATA)?.join("footage")))
}

/// Counts them in a folder and those in it.
fn recordings(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let count = |path: PathBuf| {
        if path.is_dir() {
            recordings(&path)
        } else {
            usize::from(path.extension().is_some_and(|ending| ending == "mp4"))
        }
    };
    entries.map(count).sum()
}
