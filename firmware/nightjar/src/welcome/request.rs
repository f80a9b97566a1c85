//! Bytes of a phone → one request, bounded; answers as text. RFC 9112, as much of it as a form needs.

use std::io::{self, Read};

/// A head or a body is not longer, bytes.
const MOST: usize = 8 << 10;

/// What was asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// As in the header, lower case.
    pub(super) host: String,
    /// Without what follows a question mark.
    pub(super) path: String,
    pub(super) body: String,
}

/// Reads one request; a connection carries no second one.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    let mut more = |bytes: &mut Vec<u8>| -> io::Result<()> {
        let n = stream.read(&mut buffer)?;
        if n == 0 || bytes.len() + n > 2 * MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(&buffer[..n]);
        Ok(())
    };
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > MOST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        more(&mut bytes)?;
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut request = parse(&text).ok_or(io::ErrorKind::InvalidData)?;
    let length = header(&text, "content-length").map_or(Some(0), |n| n.parse::<usize>().ok());
    let length = length.filter(|n| *n <= MOST).ok_or(io::ErrorKind::InvalidData)?;
    while bytes.len() < head + 4 + length {
        more(&mut bytes)?;
    }
    request.body = String::from_utf8_lossy(&bytes[head + 4..head + 4 + length]).into_owned();
    Ok(request)
}

fn parse(head: &str) -> Option<Request> {
    let mut words = head.lines().next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let path = target.split('?').next()?.to_owned();
    let host = header(head, "host").unwrap_or_default().to_ascii_lowercase();
    Some(Request { method: method.to_owned(), host, path, body: String::new() })
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let pairs = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A page of ours.
pub(super) fn html(status: u16, body: &str) -> String {
    let reason = if status == 200 { "OK" } else { "Bad Request" };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Elsewhere.
pub(super) fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of three, as a slow network does.
    struct Slow<'b>(&'b [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.len().min(3).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    #[test]
    fn a_request_is_read_however_it_is_cut() {
        let bytes = b"POST /join?x HTTP/1.1\r\nHOST: 10.77.0.1\r\nContent-length: 6\r\n\r\nssid=aTRAILING";
        let request = read(&mut Slow(bytes)).unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), request.host.as_str()),
            ("POST", "/join", "10.77.0.1")
        );
        assert_eq!(request.body, "ssid=a");
    }

    #[test]
    fn what_is_too_long_or_no_request_is_refused() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(2 * MOST));
        let claims = format!("POST /join HTTP/1.1\r\nContent-Length: {}\r\n\r\n", MOST + 1);
        for text in [
            "",
            "GET /",
            "\r\n\r\n",
            "GET / SIP/2.0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            &long,
            &claims,
        ] {
            assert!(read(&mut text.as_bytes()).is_err(), "{text:.40}");
        }
    }
}
