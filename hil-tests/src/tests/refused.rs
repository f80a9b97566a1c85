//! Bundles that no board may take: refused with the reason, and not a byte of the other slot is another.

use super::setting::{PATIENCE, running};
use crate::agent;
use crate::suite::Lab;
use anyhow::{Context, Result, bail};

/// A bundle of the folder, and a word of the reason that a person must read.
const BUNDLES: &[(&str, &[&str])] = &[
    ("foreign-key.raucb", &["signature"]),
    ("leaked-key.raucb", &["revoked"]),
    ("wrong-board.raucb", &["compatible"]),
    ("too-old.raucb", &["at least"]),
    ("truncated.raucb", &["signature", "size"]),
    ("bit-flipped.raucb", &["signature", "cms"]),
    ("bit-flipped-content.raucb", &["squashfs", "mount", "verity", "superblock"]),
    ("garbage.raucb", &["signature", "size", "identifier"]),
];

pub(super) fn all(lab: &mut Lab) -> Result<String> {
    let page = running(lab, "")?;
    let other = if agent::idle(&page, PATIENCE)?.slot == "A" { "rootfs-b" } else { "rootfs-a" };
    // By the kernel's own count, so the same bytes written again are seen too; and what decides which slot boots.
    let words = format!(
        "cd /dev/disk/by-partlabel && sync; sha256sum uboot-env 2> /dev/null; awk '{{print $7}}' /sys/class/block/$(basename $(readlink {other}))/stat"
    );
    let written = || lab.bed.run(&words);
    let before = written()?;
    let mut figures = Vec::new();
    for (bundle, reasons) in BUNDLES {
        if !lab.common.bundles.join(bundle).exists() {
            bail!("{bundle} is missing: `cargo xtask hil` makes it");
        }
        lab.shelf.reset();
        let url = lab.shelf.url(lab.bed.as_ref(), bundle);
        let words =
            lab.bed.run_badly(&format!("rauc install {url}"), 300).with_context(|| (*bundle).to_owned())?;
        let reason =
            words.lines().find_map(|line| line.strip_prefix("LastError: ")).unwrap_or(&words).to_owned();
        if !reasons.iter().any(|word| reason.to_lowercase().contains(word)) {
            bail!("{bundle} was refused with other words than one of {reasons:?}: {reason}");
        }
        lab.say(&format!("{bundle}: {reason}"));
        figures.push((*bundle).trim_end_matches(".raucb"));
    }
    let after = written()?;
    if before != after {
        bail!(
            "boot order and sectors written to {other} were {before} before the refused bundles, {after} after them"
        );
    }
    Ok(format!(
        "{} refused with their reason, no sector of {other} written, boot order unchanged",
        figures.join(", ")
    ))
}
