//! A folder → an ext4 file system in a file, mounted over a loop device, that can lose its power.

use crate::clock::Stopwatch;
use crate::place::make_dir;
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Whoever still holds a file may take this long to let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where it is mounted, below its folder.
const MOUNT: &str = "disk";

/// A file system of its own; unmounted and removed when this is dropped.
pub(super) struct Image {
    file: PathBuf,
    mounted: PathBuf,
}

/// Why there can be none, and the mend.
pub(super) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("mounting a file system needs root; run it with sudo".to_owned());
    }
    let tools = ["mkfs.ext4", "mount", "umount"].into_iter().find(|tool| !run::in_path(tool));
    tools.map(|tool| format!("{tool} is not installed; install e2fsprogs and mount"))
}

/// Unmounts what an interrupted run has left mounted in `folder`.
pub(super) fn leave(folder: &Path) {
    let disk = folder.join(MOUNT);
    if disk.exists() {
        run::succeeds(Command::new("umount").arg(&disk)); // usually nothing is mounted there
    }
}

impl Image {
    /// A sparse file of `len` bytes in `folder`, with an empty file system.
    pub(super) fn make(folder: &Path, len: u64) -> Result<Self> {
        let image = Self { file: folder.join("disk.img"), mounted: folder.join(MOUNT) };
        make_dir(&image.mounted)?;
        let file = File::create(&image.file).context("can't make the image")?;
        file.set_len(len).context("can't size the image")?;
        let mut mkfs = Command::new("mkfs.ext4");
        mkfs.args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image.file);
        run::capture(&mut mkfs)?;
        image.mount()?;
        Ok(image)
    }

    pub(super) fn mounted(&self) -> &Path {
        &self.mounted
    }

    fn mount(&self) -> Result<()> {
        let mut mount = Command::new("mount");
        run::capture(mount.args(["-o", "loop,noatime"]).arg(&self.file).arg(&self.mounted))?;
        Ok(())
    }

    fn unmount(&self) -> Result<()> {
        let watch = Stopwatch::start();
        while !run::succeeds(Command::new("umount").arg(&self.mounted)) {
            if watch.elapsed() > PATIENCE {
                bail!("can't unmount {}: something still uses it", self.mounted.display());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Nothing more reaches the device, neither data nor journal; what only the page cache has is gone.
    pub(super) fn cut(&self) -> Result<()> {
        let root = File::open(&self.mounted).context("can't open the file system's root")?;
        shut_down(&root).context("the kernel can't shut this file system down (EXT4_IOC_SHUTDOWN)")
    }

    /// Mounts it as after a restart of the machine: the journal is replayed.
    pub(super) fn mount_again(&self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// As [`mount_again`](Self::mount_again), with nothing of it in memory any more.
    pub(super) fn mount_cold(&self) -> Result<()> {
        self.unmount()?;
        let file = File::open(&self.file).context("can't open the image")?;
        file.sync_all().context("can't write the image out")?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)
            .context("can't drop the image from memory")?;
        self.mount()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.unmount().is_ok() {
            std::fs::remove_file(&self.file).ok(); // only space; the next run makes it anew
        }
    }
}

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: fs/ext4/ext4.h.
#[allow(unsafe_code, reason = "no crate in the tree wraps this ioctl")]
fn shut_down(root: &File) -> rustix::io::Result<()> {
    use rustix::ioctl::{Setter, ioctl, opcode};
    const SHUTDOWN: rustix::ioctl::Opcode = opcode::read::<u32>(b'X', 125);
    const NO_LOG_FLUSH: u32 = 2;
    // SAFETY: the call reads one u32 from the pointer that `Setter` passes, and writes nothing.
    unsafe { ioctl(root, Setter::<SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }
}
