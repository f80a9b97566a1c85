//! A recorder that hangs is ended by systemd, a system that hangs by the board.

use super::setting::{recording, running};
use crate::clock::{self, Stopwatch};
use crate::suite::Lab;
use anyhow::{Result, bail};

/// The recorder is stopped in the middle of its work: no thread of it gets to say that it lives.
pub(super) fn of_the_recorder(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    let id = || lab.bed.run("systemctl show --property=MainPID --value nightjar.service");
    let before = id()?;
    let watch = Stopwatch::start();
    lab.bed.run(&format!("kill -STOP {before}"))?;
    clock::until_told("systemd starts another recorder", 200, || {
        Ok(id().ok().filter(|now| *now != before && now != "0"))
    })?;
    let restarted = watch.seconds();
    recording(lab)?;
    Ok(format!("another recorder after {restarted:.0} s, recording after {:.0} s", watch.seconds()))
}

/// Process 1 crashes and freezes: nobody is left to pet the watchdog.
pub(super) fn of_the_board(lab: &mut Lab) -> Result<String> {
    running(lab, "")?;
    let console = lab.console()?;
    console.skip();
    let watch = Stopwatch::start();
    let _ = lab.bed.ask("sync; kill -SEGV 1", 30);
    console.expect(&["U-Boot 20"], 200)?;
    let bitten = watch.seconds();
    if bitten < 1.0 {
        bail!("the board was reset before its watchdog could have seen anything");
    }
    recording(lab)?;
    Ok(format!("reset {bitten:.0} s after process 1 froze; recording after it"))
}
