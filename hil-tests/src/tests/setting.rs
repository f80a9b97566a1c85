//! How a board stands before a test: flashed, running, with two cameras that it records.

use crate::bed::{Bed, Kept, Need};
use crate::clock;
use crate::page::{self, CONFIG, Page};
use crate::qemu::awake;
use crate::suite::{Lab, locked};
use anyhow::{Result, bail};

/// Seconds within which a board must have come up, on a machine that has other things to do too.
pub(super) const PATIENCE: u64 = 600;
pub(super) const CAMERAS: &[&str] = &["gate", "yard"];
/// Settings of the update agent as the image has them.
const AGENT: &str =
    include_str!("../../../yocto/meta-nightjar/recipes-nightjar/nightjar/files/nightjar-ota.image.toml");
/// What is broken on purpose need not be waited for as long as on a roof.
const GATE: &str = "\n[gate]\ndeadline = \"80s\"\n";

/// Settings of the board for these tests. What is not said here is as the image has it.
pub(super) fn config(lab: &Lab, more: &str) -> String {
    let mut text = String::from(
        "[device]\nname = \"board-test\"\nstate_dir = \"/var/lib/nightjar/state\"\n\
         [storage]\npath = \"/data/footage\"\nquota = \"256MiB\"\n\
         [web]\nlisten = \"0.0.0.0:8443\"\n[night]\nenabled = false\n",
    );
    for (id, number) in CAMERAS.iter().zip(1..) {
        let url = lab.cameras.url(lab.bed.as_ref(), number);
        // An emulated board has better things to do than to look at pictures.
        text += &format!("[[camera]]\nid = \"{id}\"\nmain = \"{url}\"\ndetect = false\ntamper = false\n");
    }
    text + more
}

/// Writes the settings and starts the recorder anew with them.
pub(super) fn configure(lab: &Lab, more: &str) -> Result<()> {
    lab.bed.push(config(lab, more).as_bytes(), CONFIG)?;
    lab.bed.run(&format!(
        "chown root:nightjar {CONFIG} && chmod 640 {CONFIG} && nightjar config check {CONFIG}"
    ))?;
    lab.bed.run("systemctl restart nightjar.service").map(|_| ())
}

/// A card as it is flashed, with the settings of these tests on it.
pub(super) fn flash(lab: &mut Lab) -> Result<()> {
    let settings = [("nightjar.toml", config(lab, "")), ("ota.toml", format!("{AGENT}{GATE}"))];
    lab.bed.flash(&settings)
}

/// Waits until the cameras are recorded, whichever boot this is. Gives the page.
pub(super) fn recording(lab: &Lab) -> Result<Page> {
    page::answers(lab.bed.as_ref(), PATIENCE)?;
    awake(lab.bed.as_ref(), PATIENCE)?; // the page is there before the shell
    let page = Page::of(lab.bed.as_ref())?;
    page::records(&page, CAMERAS, PATIENCE)?;
    Ok(page)
}

/// A board that is up. In QEMU it is a flashed one, put aside by whoever needs it first: not every test waits for a start. A real one
/// is as the test before left it.
pub(super) fn ready(lab: &mut Lab) -> Result<()> {
    if lab.bed.has(Need::Flash) {
        let common = lab.common.clone();
        let mut kept = locked(&common.kept);
        if kept.is_none() {
            flash(lab)?;
            lab.bed.power_on()?;
            recording(lab)?;
            *kept = Some(put_aside(lab)?);
        }
        if let Some(kept) = kept.as_ref() {
            lab.bed.go_on(kept)?;
        }
        drop(kept);
        awake(lab.bed.as_ref(), PATIENCE)?;
        // Its clock stood still too.
        return lab.bed.run(&format!("date --set @{}", clock::now()?)).map(drop);
    }
    awake(lab.bed.as_ref(), PATIENCE)
}

/// Puts a flashed board aside for other tests. Its recorder ends first: the cameras it speaks with will not know it any more.
pub(super) fn put_aside(lab: &mut Lab) -> Result<Kept> {
    lab.bed.run("systemctl stop nightjar.service && sync")?;
    lab.bed.keep()
}

/// A board that records the two cameras, with more settings.
pub(super) fn running(lab: &mut Lab, more: &str) -> Result<Page> {
    ready(lab)?;
    configure(lab, more)?;
    recording(lab)
}

/// Waits for another boot than `before`.
pub(super) fn other_boot(bed: &dyn Bed, before: &str) -> Result<()> {
    clock::until("another boot answers", PATIENCE, || {
        Ok(bed.ask("cat /proc/sys/kernel/random/boot_id", 30).ok().filter(|now| now.text.trim() != before))
    })
    .map(|_| ())
}

pub(super) fn boot_id(bed: &dyn Bed) -> Result<String> {
    bed.run("cat /proc/sys/kernel/random/boot_id")
}

/// The slot that runs: A or B.
pub(super) fn slot(bed: &dyn Bed) -> Result<String> {
    let words = bed.run("cat /proc/cmdline")?;
    match words.split_whitespace().find_map(|word| word.strip_prefix("rauc.slot=")) {
        Some(slot) => Ok(slot.to_owned()),
        None => bail!("no slot on the kernel's command line: {words}"),
    }
}

/// The version that runs.
pub(super) fn version(bed: &dyn Bed) -> Result<String> {
    bed.run(". /etc/os-release && echo $IMAGE_VERSION")
}

/// A `[[camera]]` for the first camera on the board itself, by the name that the eye gives it.
pub(super) fn local_camera(bed: &dyn Bed) -> Result<String> {
    // What the tests' image has a unit for: loaded at each start, it would cost those of all other tests a seventh.
    bed.run(
        "ls /dev/video* > /dev/null 2>&1 || { touch /etc/nightjar/board-tests-camera; modprobe vivid n_devs=1 node_types=0x1; }; \
         udevadm settle",
    )?;
    let listed = bed.run("nightjar-eye cameras")?;
    match listed.split_whitespace().find(|word| word.starts_with("v4l2:")) {
        // Few pictures, none looked at: an emulated board can encode no more and do something else as well.
        Some(address) => Ok(format!(
            "[[camera]]\nid = \"local\"\nmain = \"{address}?size=320x180&fps=1\"\ndetect = false\ntamper = false\n"
        )),
        None => bail!("the eye finds no camera on the board: {listed}"),
    }
}
