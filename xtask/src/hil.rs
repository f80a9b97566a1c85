//! A bed → the board tests of `nightjar-hil` run on it, after what they flash and install was made: an image, good and broken
//! updates, bundles that must be refused.

use crate::bundle::{self, Manifest};
use crate::fleet::{self, Server};
use crate::image::{self, Parts, QEMU, Variant, disk};
use crate::options::Options;
use crate::pair;
use crate::pki::{Keys, Signer};
use crate::place::{Place, make_dir, read, set_mode, write};
use crate::{cross, run, setup};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Versions of the updates are later than the workspace's by as much.
const NEXT: &str = "0.1.1";

/// All images of the tests have the kernel's made-up camera as one that is plugged in, where a test has asked for it.
const CAMERA: &str = "mkdir -p usr/lib/modprobe.d; echo 'options vivid n_devs=1 node_types=0x1' > usr/lib/modprobe.d/board-tests.conf; \
                      unit=usr/lib/systemd/system/board-tests-camera.service; \
                      printf '[Unit]\\nRequiresMountsFor=/state\\nConditionPathExists=/etc/nightjar/board-tests-camera\\nBefore=nightjar.service\\n\
                      [Service]\\nType=oneshot\\nExecStart=-/sbin/modprobe vivid\\n' > $unit; \
                      ln -s ../board-tests-camera.service usr/lib/systemd/system/multi-user.target.wants/;";

/// Programs lie at the same addresses at each start: QEMU 7.2 keeps what it has translated by address, and would translate them
/// anew each time, which was a fifth of a start. Memory is not wiped when it is handed out, which was another seventh. The last two are
/// a twentieth: a kernel's memory in large pages, and its stack at the same place in each call.
const STEADY: &str =
    "setenv nightjar_args norandmaps init_on_alloc=0 rodata=on randomize_kstack_offset=off\n";

/// For `--only`: what needs no board.
const ROLLOUTS: &str = "rollouts to simulated boards";

/// What is no update but on the card from the beginning.
const FLASHED: &str = "board";

/// Updates that are signed and bad: the bundle's name and what is done to its system.
const BROKEN: &[(&str, &str)] = &[
    // No first stage, so no root: the kernel panics.
    ("kernel-panics", "head -c 65536 /dev/zero > boot/initrd.img"),
    ("recorder-crashes", "printf '#!/bin/sh\\nkill -SEGV $$\\n' > usr/bin/nightjar"),
    // It may not write where footage belongs.
    (
        "nothing-recorded",
        "printf '[Service]\\nReadWritePaths=\\nReadWritePaths=/state/nightjar\\n' > usr/lib/systemd/system/nightjar.service.d/zz-board-tests.conf",
    ),
    ("camera-lost", "find usr/lib/modules -name 'vivid.ko*' -delete"),
];

pub(crate) fn run(place: &Place, options: &Options) -> Result<()> {
    let bed = options.text("bed").unwrap_or("qemu");
    setup::for_verb(place, "hil")?;
    let dir = place.target("hil");
    make_dir(&dir.join("bundles"))?;
    let is_made = bed == "qemu" && !options.has("as-built");
    if is_made {
        cross::make(place, &Options::default(), &cross::programs(place)?)?;
    }
    let only = options.text("only");
    let is_wanted = |name: &str| only.is_none_or(|only| only.split(',').any(|word| name.contains(word)));
    // Its start takes its time, which what is made next takes too.
    let fleet = Server::at_hand(place, options, is_wanted("fleet") || is_wanted(ROLLOUTS))?;
    if is_made {
        things(place, &dir)?;
    }
    run::say("build of the tests");
    let mut cargo = run::cargo(place);
    run::loud(
        "nightjar-hil",
        cargo.args(["build", "-p", "nightjar-hil"]),
        "the compiler's message above names the file",
    )?;
    let fleet = fleet.map(|server| server.ready(place)).transpose()?;
    let rollout = match &fleet {
        Some(server) if bed == "qemu" && is_wanted(ROLLOUTS) => {
            Some(fleet::boards(place, server, fleet::BOARDS)?)
        }
        _ => None,
    };
    run::say(&format!("board tests on {bed}"));
    let mut tests = Command::new(place.target("debug/nightjar-hil"));
    tests.args(["--bed", bed]).arg("--folder").arg(&dir).arg("--workspace").arg(place.root());
    tests.args(["--next", NEXT]);
    if let Some(server) = &fleet {
        tests.args(["--fleet", &server.port().to_string()]);
    }
    for key in ["only", "seed", "cuts", "boards", "power", "network", "console"] {
        if let Some(value) = options.text(key) {
            tests.args([format!("--{key}"), value.to_owned()]);
        }
    }
    if options.has("slow") {
        tests.args(["--slow", "yes"]);
    }
    let rollout = rollout.as_ref().map(beside).transpose()?;
    let is_good = tests.status().context("can't start nightjar-hil")?.success();
    if let Some(boards) = rollout {
        let output = boards.wait_with_output().context("lost sight of the simulated boards")?;
        print!("\n{ROLLOUTS}, {}:{}", fleet::BOARDS, String::from_utf8_lossy(&output.stdout));
        if !output.status.success() {
            bail!("{}\n  mend: {}", String::from_utf8_lossy(&output.stderr).trim(), fleet::WRONG);
        }
    }
    if !is_good {
        bail!(
            "a test failed: its reason is in the table above, what the boards said is in {}",
            place.short(&dir.join("board-*/serial.log"))
        );
    }
    Ok(())
}

/// Starts simulated boards with what the emulated ones leave of the processors.
fn beside(boards: &Command) -> Result<Child> {
    let mut patient = Command::new("nice");
    patient.args(["-n", "19"]).arg(boards.get_program()).args(boards.get_args());
    patient.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    patient.spawn().context("can't start the simulated boards")
}

/// The image and all bundles.
fn things(place: &Place, dir: &Path) -> Result<()> {
    let parts = Parts::gather(place)?;
    let keys = Keys::of(place)?;
    let version = |version: &str, more: &str| Variant {
        version: Some(version.to_owned()),
        changes: format!("{CAMERA}{more}"),
    };
    let work = dir.join("work");

    let bundles = dir.join("bundles");
    let at = |name: &str| bundles.join(format!("{name}.raucb"));
    let make = |(name, spoil): (&str, &str)| match name {
        FLASHED => {
            let slot = parts.slot(place, &version(image::version(), spoil), &work.join(name))?;
            disk::make_with(place, &slot, Some(&settings(dir)?), STEADY, &dir.join("board.img"))
        }
        _ => {
            let slot = parts.slot(place, &version(NEXT, spoil), &work.join(name))?;
            bundle::make(place, &Manifest::of(QEMU, NEXT), &slot, &keys.signer(), &at(name))
        }
    };
    // Each keeps one processor.
    let whole = [(FLASHED, ""), ("good", "")];
    pair::each(whole.iter().chain(BROKEN).copied().collect(), &make)?;
    refused(place, &keys, &work, &at)?;
    std::fs::remove_dir_all(&work).context("can't remove target/hil/work")
}

/// Bundles that no board may take. Those that are whole carry a small system: nobody will read it.
fn refused(place: &Place, keys: &Keys, work: &Path, at: &dyn Fn(&str) -> PathBuf) -> Result<()> {
    let small = work.join("small.ext4");
    std::fs::write(&small, noise(4 << 20)).context("can't write a small slot")?;
    let good = || Manifest::of(QEMU, NEXT);
    let rows: [(&str, Manifest, Signer); 4] = [
        ("foreign-key", good(), keys.foreign()),
        ("leaked-key", good(), keys.leaked()),
        ("wrong-board", Manifest::of("other-board", NEXT), keys.signer()),
        ("too-old", Manifest::of(QEMU, "0.0.9"), keys.signer()),
    ];
    for (name, manifest, signer) in &rows {
        bundle::make(place, manifest, &small, signer, &at(name))?;
    }
    let whole = at("good").metadata().context("good.raucb is not there")?.len();
    let copy = |name: &str| -> Result<File> {
        std::fs::copy(at("good"), at(name)).with_context(|| format!("can't write {name}"))?;
        File::options().read(true).write(true).open(at(name)).with_context(|| format!("can't open {name}"))
    };
    copy("truncated")?.set_len(whole / 2).context("can't cut it")?;
    flip(&copy("bit-flipped")?, whole - 200)?;
    flip(&copy("bit-flipped-content")?, 40)?;
    std::fs::write(at("garbage"), noise(1 << 20)).context("can't write garbage")
}

/// Bytes that nothing can make smaller, the same each time (xorshift64).
fn noise(bytes: usize) -> Vec<u8> {
    let mut x: u64 = 0x9E37_79B9_7F4A_7C15;
    let words = std::iter::repeat_with(|| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x.to_le_bytes()
    });
    words.flatten().take(bytes).collect()
}

fn flip(file: &File, offset: u64) -> Result<()> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).context("can't read the byte")?;
    file.write_all_at(&[byte[0] ^ 0x10], offset).context("can't write the byte")
}

/// What the board's partition "state" begins with: the key that lets the tests in.
fn settings(dir: &Path) -> Result<PathBuf> {
    let key = dir.join("key");
    if !key.exists() {
        let mut make = Command::new("ssh-keygen");
        run::capture(make.args(["-q", "-t", "ed25519", "-N", "", "-C", "board-tests", "-f"]).arg(&key))?;
    }
    let settings = dir.join("settings");
    make_dir(&settings.join("ssh"))?;
    let public = read(&dir.join("key.pub"))?;
    let file = settings.join("ssh/authorized_keys");
    write(&file, &public)?;
    set_mode(&file, 0o600)?;
    set_mode(&settings.join("ssh"), 0o700)?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time_and_nothing_repeats() {
        let bytes = noise(4096);
        assert_eq!((bytes.len(), &bytes), (4096, &noise(4096)));
        assert!(bytes.chunks(8).collect::<std::collections::BTreeSet<_>>().len() == 512);
    }

    #[test]
    fn the_next_version_is_later() {
        assert!(NEXT > image::version(), "{NEXT} is no update of {}", image::version());
    }
}
