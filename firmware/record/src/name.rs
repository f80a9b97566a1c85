//! Camera, stream and start time ↔ the slab's path below the storage folder; a number of the pool ↔ its slab's path.

use nightjar_types::{CameraId, Name, StreamKind, Wall};

/// Folder for what is not footage.
pub const PRIVATE_DIR: &str = ".nightjar";
/// Folder of waiting slabs that held nothing yet, below the storage folder; others wait under the name of what they held.
pub const POOL_DIR: &str = ".nightjar/pool";

/// `front/main/2026-11-21/04-45-10.mp4`, UTC. A second slab that begins in the same second gets `_1`, and so on;
/// `_` sorts behind `.`, so that names sort by time.
pub fn slab_path(camera: &CameraId, stream: StreamKind, start: Wall, again: u32) -> String {
    let (_, _, _, h, mi, s) = start.civil();
    let again = if again == 0 { String::new() } else { format!("_{again}") };
    format!("{}/{h:02}-{mi:02}-{s:02}{again}.mp4", folder(camera, stream, start))
}

/// The folder of a stream's slabs that begin on the day of `start`: `front/main/2026-11-21`, UTC.
pub fn folder(camera: &CameraId, stream: StreamKind, start: Wall) -> String {
    let (y, mo, d, ..) = start.civil();
    format!("{camera}/{stream}/{y:04}-{mo:02}-{d:02}")
}

/// The folder that a path leads to; `""` is the storage folder.
pub fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A waiting slab's path in the pool.
pub fn pool_path(number: u64) -> String {
    format!("{POOL_DIR}/{number:08}.slab")
}

/// The number of a slab in the pool by its file's name. `None` when it is not one's.
pub fn pool_number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".slab")?;
    let is_number = (8..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
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

    #[test]
    fn a_slab_of_the_pool_is_known_by_its_number() {
        for number in [7, 123_456_789_012] {
            let path = pool_path(number);
            assert_eq!(
                (folder_of(&path), pool_number(&path[folder_of(&path).len() + 1..])),
                (POOL_DIR, Some(number))
            );
        }
        for other in ["notes.slab", "1.slab", "99999999999999999999.slab", "+0000001.slab", "00000001.mp4"] {
            assert_eq!(pool_number(other), None, "{other}");
        }
    }
}
