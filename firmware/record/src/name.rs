//! Camera, stream and start time ↔ the slab's path below the storage folder.

use nightjar_types::{CameraId, Name, StreamKind, Wall};

/// Folder for what is not footage.
pub const PRIVATE_DIR: &str = ".nightjar";
/// Folder of slabs that wait for use, below the storage folder.
pub const POOL_DIR: &str = ".nightjar/pool";

/// `front/main/2026-11-21/04-45-10.mp4`, UTC. A second slab that begins in the same second gets `_1`, and so on;
/// `_` sorts behind `.`, so that names sort by time.
pub fn slab_path(camera: &CameraId, stream: StreamKind, start: Wall, again: u32) -> String {
    let (y, mo, d, h, mi, s) = start.civil();
    let again = if again == 0 { String::new() } else { format!("_{again}") };
    format!("{camera}/{stream}/{y:04}-{mo:02}-{d:02}/{h:02}-{mi:02}-{s:02}{again}.mp4")
}

/// A waiting slab's path.
pub fn pool_path(number: u64) -> String {
    format!("{POOL_DIR}/{number:08}.slab")
}

/// Whose footage a path below the storage folder holds. `None` when it is not a slab's path.
pub fn parse(path: &str) -> Option<(CameraId, StreamKind)> {
    let mut parts = path.split('/');
    let camera = Name::new(parts.next()?).ok()?;
    let stream = match parts.next()? {
        "main" => StreamKind::Main,
        "sub" => StreamKind::Sub,
        _ => return None,
    };
    let (_date, file) = (parts.next()?, parts.next()?);
    (parts.next().is_none() && file.ends_with(".mp4")).then_some((camera, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time() {
        let camera = Name::new("front").unwrap();
        let start = Wall(1_795_236_310_000_000);
        let at = |again| slab_path(&camera, StreamKind::Main, start, again);
        let next = slab_path(&camera, StreamKind::Main, start.plus_micros(1_000_000), 0);
        assert!(at(0) < at(1) && at(1) < next, "{} {} {next}", at(0), at(1));
        assert_eq!(parse(&at(1)), Some((camera, StreamKind::Main)));
        assert_eq!(parse("lost+found"), None);
        assert_eq!(parse(".nightjar/pool/00000001.slab"), None);
    }
}
