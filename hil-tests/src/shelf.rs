//! A folder → its files over HTTP/1.1 on loopback, whole or by range, with what was fetched counted.

use crate::bed::Bed;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);
/// Longest request that is read.
const HEAD_BYTES: u64 = 16 << 10;

/// What was fetched since the last [`Shelf::reset`].
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// Serves until the tests end.
pub(crate) struct Shelf {
    folder: PathBuf,
    port: u16,
    counts: Arc<Counts>,
}

impl Shelf {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port is free for bundles")?;
        let port = listener.local_addr().context("a port has no number")?.port();
        let counts = Arc::new(Counts::default());
        let (of_thread, folder_of_thread) = (counts.clone(), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (counts, folder) = (of_thread.clone(), folder_of_thread.clone());
                std::thread::spawn(move || serve(stream, &folder, &counts).is_ok());
            }
        });
        Ok(Self { folder: folder.to_owned(), port, counts })
    }

    /// Address of a file, for a board.
    pub(crate) fn url(&self, bed: &dyn Bed, name: &str) -> String {
        format!("http://{}/{name}", bed.lend(self.port))
    }

    /// Lets the board fetch a file, without what encrypting it would cost an emulated one.
    pub(crate) fn put(&self, bed: &dyn Bed, name: &str, to: &str) -> Result<()> {
        let size = self.folder.join(name).metadata().with_context(|| format!("{name} is missing"))?.len();
        let address = bed.lend(self.port);
        let (host, port) = address.split_once(':').context("an address without a port")?;
        let words = format!(
            "exec 3<>/dev/tcp/{host}/{port} && printf 'GET /{name} HTTP/1.1\\r\\n\\r\\n' >&3 && \
             while read -r line <&3 && [ \"$line\" != $'\\r' ]; do :; done && head -c {size} <&3 > {to} && sync {to}"
        );
        bed.run(&format!("bash -c '{}'", words.replace('\'', "'\\''")))?;
        let arrived = bed.run(&format!("stat -c %s {to}"))?;
        if arrived != size.to_string() {
            bail!("{arrived} of {size} bytes of {name} arrived");
        }
        Ok(())
    }

    pub(crate) fn reset(&self) {
        self.counts.requests.store(0, Relaxed);
        self.counts.bytes.store(0, Relaxed);
    }

    /// Requests and bytes of bodies.
    pub(crate) fn fetched(&self) -> (u64, u64) {
        (self.counts.requests.load(Relaxed), self.counts.bytes.load(Relaxed))
    }
}

/// One connection, request after request.
fn serve(stream: TcpStream, folder: &Path, counts: &Counts) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = head(&mut reader)? {
        counts.requests.fetch_add(1, Relaxed);
        let Some((file, length)) = open(folder, &head) else {
            writer.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let (status, first, wanted, more) = match range(&head, length) {
            Some((first, last)) => {
                let more = format!("Content-Range: bytes {first}-{last}/{length}\r\n");
                ("206 Partial Content", first, last - first + 1, more)
            }
            None => ("200 OK", 0, length, String::new()),
        };
        let answer =
            format!("HTTP/1.1 {status}\r\nAccept-Ranges: bytes\r\nContent-Length: {wanted}\r\n{more}");
        writer.write_all(format!("{answer}\r\n").as_bytes())?;
        if head.starts_with("HEAD ") {
            continue;
        }
        let mut part = file;
        part.seek(SeekFrom::Start(first))?;
        let sent = std::io::copy(&mut part.take(wanted), &mut writer)?;
        counts.bytes.fetch_add(sent, Relaxed);
    }
    Ok(())
}

/// A request without its body, which none of ours has; nothing when the other end is done.
fn head(reader: &mut BufReader<TcpStream>) -> Result<Option<String>> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if reader.take(HEAD_BYTES).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() {
            return Ok(Some(text));
        }
        text += &line;
    }
}

/// The file that a request names: a name of the folder itself, no path.
fn open(folder: &Path, head: &str) -> Option<(File, u64)> {
    let name = head.split_whitespace().nth(1)?.trim_start_matches('/');
    if name.contains('/') || name.starts_with('.') {
        return None;
    }
    let file = File::open::<PathBuf>(folder.join(name)).ok()?;
    let length = file.metadata().ok()?.len();
    Some((file, length))
}

/// `Range: bytes=A-B` or `bytes=A-` → first and last byte.
fn range(head: &str, length: u64) -> Option<(u64, u64)> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("range:"))?;
    let (first, last) = line.split_once("bytes=")?.1.trim().split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let last = if last.is_empty() { length.checked_sub(1)? } else { last.parse().ok()? };
    (first <= last && first < length).then_some((first, last.min(length - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file() {
        let asked = |text: &str| range(&format!("GET /x HTTP/1.1\r\nRange: bytes={text}\r\n"), 100);
        assert_eq!(asked("10-19"), Some((10, 19)));
        assert_eq!(asked("90-"), Some((90, 99)));
        assert_eq!(asked("90-500"), Some((90, 99)));
        assert_eq!(asked("100-101"), None);
        assert_eq!(range("GET /x HTTP/1.1\r\n", 100), None);
    }

    #[test]
    fn a_file_is_served_in_parts_and_counted() {
        let folder = std::env::temp_dir().join(format!("nightjar-shelf-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("b.raucb"), b"0123456789").unwrap();
        let shelf = Shelf::open(&folder).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", shelf.port)).unwrap();
        stream
            .write_all(b"GET /b.raucb HTTP/1.1\r\nrange: bytes=2-4\r\n\r\nGET /../x HTTP/1.1\r\n\r\n")
            .unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(
            text.contains("206 Partial") && text.contains("2-4/10") && text.contains("\r\n\r\n234"),
            "{text}"
        );
        assert!(text.contains("404"), "{text}");
        assert_eq!(shelf.fetched(), (2, 3));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
