//! Updates that are signed, installed and bad: the board goes back by itself and says why.

use super::setting::{PATIENCE, configure, local_camera, ready, recording, running, version};
use crate::agent;
use crate::bed::Need;
use crate::clock::Stopwatch;
use crate::page;
use crate::suite::Lab;
use anyhow::{Result, bail};

pub(super) const NEEDS: &[Need] = &[Need::Flash, Need::Slots];

/// Its first stage finds no root.
pub(super) fn kernel(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    goes_back(lab, "kernel-panics.raucb", &["boot loader went back"])
}

/// It dies as soon as it starts.
pub(super) fn recorder(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    goes_back(lab, "recorder-crashes.raucb", &["recorder", "page", "camera", "boot loader went back"])
}

/// It answers and writes nothing.
pub(super) fn footage(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    goes_back(lab, "nothing-recorded.raucb", &["does not record", "read back"])
}

/// Its kernel has lost the driver of the camera on the board.
pub(super) fn camera(lab: &mut Lab) -> Result<String> {
    ready(lab)?;
    let camera = local_camera(lab.bed.as_ref())?;
    configure(lab, &camera)?;
    let page = recording(lab)?;
    page::records(&page, &["local"], PATIENCE)?;
    goes_back(lab, "camera-lost.raucb", &["local"])
}

fn goes_back(lab: &mut Lab, bundle: &str, reasons: &[&str]) -> Result<String> {
    let bed = lab.bed.as_ref();
    let old = version(bed)?;
    let watch = Stopwatch::start();
    let entry = agent::update(bed, &lab.shelf.url(bed, bundle), 3 * PATIENCE)?;
    agent::expect(&entry, "rolled-back", reasons)?;
    if version(bed)? != old {
        bail!("it is entered as rolled back, and {} runs", version(bed)?);
    }
    recording(lab)?;
    Ok(format!("{old} records again after {:.0} s: {}", watch.seconds(), entry.reason))
}
