//! How a board stands before a test: flashed, running, with two cameras that it records.

use crate::bed::{Bed, Need};
use crate::clock;
use crate::page::{self, CONFIG, Page};
use crate::suite::{Aside, Lab, locked};
use anyhow::{Result, bail};

/// Seconds within which a board must have come up, on a machine that has other things to do too.
pub(super) const PATIENCE: u64 = 600;
pub(super) const CAMERAS: &[&str] = &["gate", "yard"];
/// Settings of the update agent as the image has them.
const AGENT: &str =
    include_str!("../../../yocto/meta-nightjar/recipes-nightjar/nightjar/files/nightjar-ota.image.toml");
/// Shorter than on a roof.
const GATE: &str = "\n[gate]\ndeadline = \"80s\"\n";

/// Of the board itself, for all tests. What is not said here is as the image has it.
const BOARD: &str = "[device]\nname = \"board-test\"\nstate_dir = \"/var/lib/nightjar/state\"\n\
                     [storage]\npath = \"/data/footage\"\nquota = \"256MiB\"\n\
                     [web]\nlisten = \"0.0.0.0:8443\"\n[night]\nenabled = false\n";

/// Settings of a board that records the two cameras.
pub(super) fn config(lab: &Lab, more: &str) -> String {
    let mut text = BOARD.to_owned();
    for (id, number) in CAMERAS.iter().zip(1..) {
        let url = lab.cameras.url(lab.bed.as_ref(), number);
        // An emulated board has better things to do than to look at pictures.
        text += &format!("[[camera]]\nid = \"{id}\"\nmain = \"{url}\"\ndetect = false\ntamper = false\n");
    }
    text + more
}

/// Starts the recorder anew with the two cameras and more settings.
pub(super) fn configure(lab: &Lab, more: &str) -> Result<()> {
    write(lab, &config(lab, more))
}

/// Starts the recorder anew with these cameras in place of the two.
pub(super) fn configure_only(lab: &Lab, cameras: &str) -> Result<()> {
    write(lab, &format!("{BOARD}{cameras}"))
}

fn write(lab: &Lab, text: &str) -> Result<()> {
    let words = format!(
        "cat > {CONFIG} && chown root:nightjar {CONFIG} && chmod 640 {CONFIG} && nightjar config check {CONFIG} >&2 && \
         systemctl restart nightjar.service"
    );
    lab.bed.feed(text.as_bytes(), &words)
}

/// A card as it is flashed, with the settings of these tests on it.
pub(super) fn flash(lab: &mut Lab) -> Result<()> {
    let settings = [("nightjar.toml", config(lab, "")), ("ota.toml", format!("{AGENT}{GATE}"))];
    lab.token.take();
    lab.bed.flash(&settings)
}

/// Waits until the two cameras are recorded, whichever boot this is. Gives the page.
pub(super) fn recording(lab: &Lab) -> Result<Page> {
    recording_of(lab, CAMERAS)
}

pub(super) fn recording_of(lab: &Lab, cameras: &[&str]) -> Result<Page> {
    page::answers(lab.bed.as_ref(), PATIENCE)?;
    lab.bed.lend_again(PATIENCE)?;
    let page = page(lab)?;
    page::records(&page, cameras, PATIENCE)?;
    Ok(page)
}

/// The board's page, with a new token if it takes the one of before no more.
fn page(lab: &Lab) -> Result<Page> {
    let bed = lab.bed.as_ref();
    let known = lab.token.borrow().clone();
    if !known.is_empty()
        && let Ok(page) = Page::with(bed, &known)
    {
        return Ok(page);
    }
    bed.awake(PATIENCE)?; // the page is there before the shell
    let token = page::new_token(bed)?;
    let page = Page::with(bed, &token)?;
    lab.token.replace(token);
    Ok(page)
}

/// A board that is up. In QEMU it is a flashed one, put aside by whoever needs it first: not every test waits for a start. A real one
/// is as the test before left it.
pub(super) fn ready(lab: &mut Lab) -> Result<()> {
    if lab.bed.has(Need::Flash) {
        let common = lab.common.clone();
        let mut aside = locked(&common.aside);
        if aside.is_none() {
            flash(lab)?;
            lab.bed.power_on()?;
            recording(lab)?;
            *aside = Some(put_aside(lab)?);
        }
        if let Some(Aside { board, token }) = aside.as_ref() {
            lab.token.replace(token.clone());
            lab.bed.go_on(board)?;
        }
        drop(aside);
        lab.bed.awake(PATIENCE)?;
        // Its clock stood still too.
        return lab.bed.run(&format!("date --set @{}", clock::now()?)).map(drop);
    }
    lab.bed.awake(PATIENCE)
}

/// Puts a flashed board aside for other tests. Its recorder ends first: the cameras it speaks with will not know it any more.
pub(super) fn put_aside(lab: &mut Lab) -> Result<Aside> {
    lab.bed.run("systemctl stop nightjar.service && sync")?;
    Ok(Aside { board: lab.bed.keep()?, token: lab.token.borrow().clone() })
}

/// A board that records the two cameras, with more settings.
pub(super) fn running(lab: &mut Lab, more: &str) -> Result<Page> {
    ready(lab)?;
    configure(lab, more)?;
    recording(lab)
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
