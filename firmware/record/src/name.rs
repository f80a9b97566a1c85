//! Camera, stream and start time ↔ the slab's path below the storage folder; a waiting slab's number ↔ its name.

use nightjar_types::{CameraId, Name, StreamKind, Wall};

/// Folder for what is not footage.
pub const PRIVATE_DIR: &str = ".nightjar";
/// Folder of slabs that wait for use and never held footage, below the storage folder; others wait where theirs was.
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

/// The path of a waiting slab in `folder`: that of the footage that it held, or [`POOL_DIR`].
pub fn waiting_path(folder: &str, number: u64) -> String {
    format!("{folder}/{number:08}.slab")
}

/// A waiting slab's path in the pool.
pub fn pool_path(number: u64) -> String {
    waiting_path(POOL_DIR, number)
}

/// The number of a waiting slab by its file's name. `None` when it is not one's.
pub fn waiting_number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(".slab")?;
    let is_number = (8..=18).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The number of a slab that waits in the folder of a stream and day. `None` when the path is not such a slab's.
pub fn parse_waiting(path: &str) -> Option<u64> {
    let (folder, file) = path.rsplit_once('/')?;
    parse(&format!("{folder}/.mp4"))?;
    waiting_number(file)
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
    fn a_waiting_slab_is_known_by_its_name_wherever_it_lies() {
        let folder = folder(&Name::new("front").unwrap(), StreamKind::Main, Wall(1_795_236_310_000_000));
        let path = waiting_path(&folder, 7);
        assert_eq!((path.as_str(), folder_of(&path)), ("front/main/2026-11-21/00000007.slab", &folder[..]));
        assert_eq!((parse(&path), parse_waiting(&path)), (None, Some(7)));
        let long = waiting_path(&folder, 123_456_789_012);
        assert_eq!(parse_waiting(&long), Some(123_456_789_012));
        for other in ["notes.slab", "1.slab", "99999999999999999999.slab", "+0000001.slab", "00000001.mp4"] {
            assert_eq!(parse_waiting(&format!("{folder}/{other}")), None, "{other}");
        }
        for elsewhere in ["00000007.slab", "front/00000007.slab", "front/left/day/00000007.slab"] {
            assert_eq!(parse_waiting(elsewhere), None, "{elsewhere}");
        }
        assert_eq!((parse_waiting(&pool_path(7)), waiting_number("00000007.slab")), (None, Some(7)));
    }
}
