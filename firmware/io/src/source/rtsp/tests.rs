use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n\
                   m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track0\r\n";

fn source(address: &str, login: Option<Login>) -> Rtsp {
    let url = SourceUrl { scheme: "rtsp".into(), text: address.to_string() };
    Rtsp::new(&url, login).unwrap()
}

fn login(password: &str) -> Option<Login> {
    Some(Login { username: "admin".into(), password: nightjar_types::Secret::new(password.to_string()) })
}

/// Listens, and gives every client to `serve`.
async fn peer<F, S>(serve: S) -> (String, tokio::task::JoinHandle<()>)
where
    S: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            serve(client).await;
        }
    });
    (format!("rtsp://127.0.0.1:{port}/stream"), task)
}

/// The session's items and its end.
async fn ran(mut source: Rtsp) -> (Vec<Item>, Ended) {
    let mut items = Vec::new();
    let ended = source.session(&mut |item| items.push(item)).await;
    (items, ended)
}

/// Reads one request; its method and CSeq. `None` at the end.
async fn request(client: &mut TcpStream) -> Option<(String, String)> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let cseq = text.lines().find_map(|line| line.strip_prefix("CSeq: ").map(str::to_string))?;
    Some((text.split(' ').next()?.to_string(), cseq))
}

/// Answers until PLAY has been answered. False when the client went away.
async fn handshake(client: &mut TcpStream, sdp: &str) -> bool {
    while let Some((method, cseq)) = request(client).await {
        let rest = match method.as_str() {
            "DESCRIBE" => {
                format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
            }
            "SETUP" => "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n".to_string(),
            _ => "Session: 1\r\n\r\n".to_string(),
        };
        if client.write_all(format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{rest}").as_bytes()).await.is_err() {
            return false;
        }
        if method == "PLAY" {
            return true;
        }
    }
    false
}

async fn answers(status: &'static str) -> (String, tokio::task::JoinHandle<()>) {
    peer(move |mut client| async move {
        while let Some((_, cseq)) = request(&mut client).await {
            let _ = client.write_all(format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n\r\n").as_bytes()).await;
        }
    })
    .await
}

/// RTP of one NAL unit, cut into FU-A fragments (RFC 6184 section 5.8) and interleaved on channel 0.
struct Sender {
    sequence: u16,
}

impl Sender {
    fn packet(&mut self, stamp: u32, is_last: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![b'$', 0];
        packet.extend((payload.len() as u16 + 12).to_be_bytes());
        packet.extend([0x80, 96 | u8::from(is_last) << 7]);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(stamp.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    fn unit(&mut self, stamp: u32, is_last: bool, unit: &[u8]) -> Vec<u8> {
        if unit.len() < 1_400 {
            return self.packet(stamp, is_last, unit);
        }
        let (head, body) = (unit[0], &unit[1..]);
        let pieces = body.len().div_ceil(1_400);
        let fragments = body.chunks(1_400).enumerate().flat_map(|(at, piece)| {
            let edge = u8::from(at == 0) << 7 | u8::from(at + 1 == pieces) << 6;
            let payload = [&[head & 0xe0 | 28, edge | head & 0x1f], piece].concat();
            self.packet(stamp, is_last && at + 1 == pieces, &payload)
        });
        fragments.collect()
    }
}

/// Real pictures of the synthetic source; its parameter sets go before each key frame, as cameras do.
fn pictures(address: &str, count: usize) -> Vec<Vec<Vec<u8>>> {
    let url = SourceUrl { scheme: "synthetic".into(), text: address.to_string() };
    let captures = crate::source::Captures::default();
    let opening = Opening { url: &url, camera: "cam01", login: None, captures: &captures };
    let mut source = crate::source::open(&opening).unwrap();
    let mut found: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut sets = Vec::new();
    // The pictures are made as fast as time can be advanced.
    std::thread::scope(|scope| {
        scope.spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let full = AtomicBool::new(false);
                let mut sink = |item: Item| match item {
                    Item::Params(params) => {
                        let config = params.video.config;
                        let len = usize::from(config[7]);
                        sets = vec![config[8..8 + len].to_vec(), config[8 + len + 3..].to_vec()];
                    }
                    Item::Unit(unit) => {
                        let mut units = if unit.is_key { sets.clone() } else { Vec::new() };
                        units.extend(nal::units(&unit.data).map(|unit| unit.unwrap().to_vec()));
                        found.push(units);
                        full.store(found.len() >= count, Ordering::Relaxed);
                    }
                    Item::Loss(_) => {}
                };
                let session = source.session(&mut sink);
                tokio::select! {
                    _ = session => {}
                    () = async { while !full.load(Ordering::Relaxed) { tokio::time::sleep(Duration::from_millis(50)).await } } => {}
                }
            });
        });
    });
    found.truncate(count);
    found
}

/// A camera that sends these pictures 40 ms apart on its clock, each moved by what `stamp` says, then hangs up.
async fn plays(
    pictures: Vec<Vec<Vec<u8>>>,
    stamp: fn(usize) -> i64,
    lose: Option<usize>,
) -> (Vec<Item>, Ended) {
    let pictures = Arc::new(pictures);
    let (address, task) = peer(move |mut client| {
        let pictures = pictures.clone();
        async move {
            if !handshake(&mut client, SDP).await {
                return;
            }
            let mut sender = Sender { sequence: 65_530 };
            for (number, units) in pictures.iter().enumerate() {
                let at = (4_000_000_000 + number as i64 * 3_600 + stamp(number)) as u32;
                for (unit_at, unit) in units.iter().enumerate() {
                    let packets = sender.unit(at, unit_at + 1 == units.len(), unit);
                    if lose != Some(number) && client.write_all(&packets).await.is_err() {
                        return;
                    }
                }
            }
        }
    })
    .await;
    let all = ran(source(&address, None)).await;
    task.abort();
    all
}

fn units(items: &[Item]) -> Vec<&AccessUnit> {
    items.iter().filter_map(|item| if let Item::Unit(unit) = item { Some(unit) } else { None }).collect()
}

#[tokio::test]
async fn takes_what_a_camera_sends_from_the_first_key_frame() {
    let mut sent = pictures("synthetic:", 25);
    sent.remove(0); // joins in mid-GOP: the first key frame is picture 10
    let (items, ended) = plays(sent.clone(), |_| 0, None).await;
    assert_eq!(ended.cause, GapCause::Disconnected, "{ended}");
    let Item::Params(params) = &items[0] else { panic!("{:?}", items[0]) };
    assert_eq!(
        (params.video.width, params.video.height, params.video.rfc6381.as_str()),
        (320, 180, "avc1.42C00C")
    );
    let got = units(&items);
    // retina hands a picture over when it sees its marker bit, so the last one comes as well.
    assert_eq!(got.len(), 15);
    for (number, unit) in got.iter().enumerate() {
        assert_eq!((unit.is_key, unit.dts, unit.cts), (number % 10 == 0, number as i64 * 3_600, 0));
        let wanted = sent[number + 9].last().unwrap();
        assert_eq!(nal::units(&unit.data).collect::<Result<Vec<_>, _>>().unwrap(), [wanted.as_slice()]);
    }
}

#[tokio::test]
async fn announces_new_parameters_before_the_key_frame_that_needs_them() {
    let mut sent = pictures("synthetic:", 10);
    sent.extend(pictures("synthetic:?width=640&height=480", 10));
    let (items, _) = plays(sent, |_| 0, None).await;
    let changes = items.iter().enumerate().filter_map(|(at, item)| match item {
        Item::Params(params) => Some((at, params.video.width)),
        _ => None,
    });
    assert_eq!(changes.collect::<Vec<_>>(), [(0, 320), (11, 640)]);
    assert!(matches!(&items[12], Item::Unit(unit) if unit.is_key));
}

#[tokio::test]
async fn goes_on_when_the_camera_sets_its_clock_or_loses_packets() {
    let (items, _) =
        plays(pictures("synthetic:", 20), |number| if number < 10 { 0 } else { 1 << 30 }, Some(15)).await;
    let got = units(&items);
    assert_eq!(got.len(), 19);
    assert!(got.windows(2).all(|w| w[0].dts < w[1].dts));
    assert!(got[18].dts < 10 * 90_000, "{}", got[18].dts);
    let lost: Vec<_> = items.iter().enumerate().filter(|(_, item)| matches!(item, Item::Loss(_))).collect();
    assert!(matches!(lost[..], [(16, Item::Loss(_))]), "{lost:?}");
}

#[tokio::test]
async fn refuses_a_picture_of_more_than_eight_mebibytes() {
    let mut sent = pictures("synthetic:", 1);
    sent[0][2].resize(MOST_BYTES + 1, 0x55);
    let (items, ended) = plays(sent, |_| 0, None).await;
    assert_eq!(ended.cause, GapCause::Garbage);
    assert!(items.is_empty() && ended.words.contains("8 MiB"), "{ended}");
}

#[tokio::test]
async fn a_camera_that_falls_silent_after_play_has_stalled() {
    let (address, task) = peer(|mut client| async move {
        handshake(&mut client, SDP).await;
        // keeps the connection until the client goes
        while request(&mut client).await.is_some() {}
    })
    .await;
    let mut source = source(&address, None);
    source.deadlines.picture = Duration::from_millis(200);
    let (items, ended) = ran(source).await;
    assert_eq!((items.len(), ended.cause, ended.retry), (0, GapCause::Stalled, crate::source::Retry::Soon));
    task.abort();
}

#[tokio::test]
async fn a_camera_without_key_frames_is_garbage() {
    let sent = pictures("synthetic:", 5).split_off(1);
    let (address, task) = peer(move |mut client| {
        let sent = sent.clone();
        async move {
            handshake(&mut client, SDP).await;
            let mut sender = Sender { sequence: 0 };
            for number in 0u32.. {
                let packets = sender.unit(number * 3_600, true, &sent[number as usize % 4][0]);
                if client.write_all(&packets).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let mut source = source(&address, None);
    source.deadlines.key = Duration::from_millis(100);
    let (items, ended) = ran(source).await;
    assert_eq!((items.len(), ended.cause), (0, GapCause::Garbage), "{ended}");
    assert!(ended.words.contains("key frame"));
    task.abort();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (address, task) = peer(|mut client| async move {
        let mut heard = Vec::new();
        let _ = client.read_to_end(&mut heard).await;
    })
    .await;
    let mut source = source(&address, None);
    source.deadlines.step = Duration::from_millis(200);
    let (_, ended) = ran(source).await;
    assert_eq!(ended.cause, GapCause::Disconnected);
    assert!(ended.words.contains("no answer to DESCRIBE"), "{ended}");
    task.abort();
}

#[tokio::test]
async fn a_status_becomes_a_cause_and_a_mend() {
    for (status, with, cause, words) in [
        ("401 Unauthorized", None, GapCause::AuthFailed, "set username and password"),
        ("401 Unauthorized", login("secret"), GapCause::AuthFailed, "check username and password"),
        ("403 Forbidden", login("secret"), GapCause::AuthFailed, "check username and password"),
        ("404 Not Found", None, GapCause::Disconnected, "no stream at this path"),
        ("453 Not Enough Bandwidth", None, GapCause::Disconnected, "too many viewers"),
        ("500 Internal Server Error", None, GapCause::Disconnected, "status 500"),
        ("200 OK", None, GapCause::Garbage, "RTSP address"),
    ] {
        let (address, task) = answers(status).await;
        let (items, ended) = ran(source(&address, with)).await;
        assert_eq!(ended.cause, cause, "{status}: {ended}");
        assert!(ended.words.contains(words), "{status}: {ended}");
        assert_eq!(ended.retry == crate::source::Retry::Slow, cause == GapCause::AuthFailed);
        assert!(items.is_empty());
        task.abort();
    }
}

#[tokio::test]
async fn what_is_no_rtsp_or_no_video_is_garbage() {
    let jpeg = SDP.replace("H264", "JPEG").replace("a=fmtp:96 packetization-mode=1\r\n", "");
    for sdp in [jpeg.leak(), "v=0\r\n"] {
        let (address, task) = peer(move |mut client| async move {
            handshake(&mut client, sdp).await;
        })
        .await;
        let (_, ended) = ran(source(&address, None)).await;
        assert_eq!(ended.cause, GapCause::Garbage, "{ended}");
        task.abort();
    }
    let http = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let (address, task) = peer(move |mut client| async move {
        request(&mut client).await;
        let _ = client.write_all(http.as_bytes()).await;
    })
    .await;
    let (_, ended) = ran(source(&address, None)).await;
    assert_eq!(ended.cause, GapCause::Garbage, "{ended}");
    assert!(ended.words.contains("is this an RTSP address"), "{ended}");
    task.abort();
}

#[tokio::test]
async fn a_closed_port_is_said_to_be_closed() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let (_, ended) = ran(source(&format!("rtsp://127.0.0.1:{port}/"), None)).await;
    assert_eq!(ended.cause, GapCause::Disconnected);
    assert!(ended.words.contains("refused") && ended.words.contains("check its port"), "{ended}");
}

#[tokio::test]
async fn no_words_hold_what_may_be_a_password() {
    let echo = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n";
    for head in [echo, "nonsense "] {
        let (address, task) = peer(move |mut client| async move {
            let _ = request(&mut client).await;
            // What is wrong with the answer repeats the address and the password.
            let said = format!(
                "{head}Content-Type: /user=admin_password=hunter2 hunter2\r\nContent-Length: 1\r\n\r\n?"
            );
            let _ = client.write_all(said.as_bytes()).await;
        })
        .await;
        let address = address.replace("/stream", "/user=admin_password=hunter2");
        let (_, ended) = ran(source(&address, login("hunter2"))).await;
        assert!(!ended.words.contains("hunter2"), "{ended}");
        task.abort();
    }
    assert!(
        Rtsp::new(&SourceUrl { scheme: "rtsp".into(), text: "rtsp://a:hunter2@b/".into() }, None)
            .err()
            .is_some_and(|words| !words.contains("hunter2"))
    );
}

/// Runs a session against a peer that sends `bytes` after the handshake, or at once, then hangs up.
fn survives(bytes: Vec<u8>, shakes_hands: bool) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (address, task) = peer(move |mut client| {
            let bytes = bytes.clone();
            async move {
                let ready = if shakes_hands {
                    handshake(&mut client, SDP).await
                } else {
                    request(&mut client).await.is_some()
                };
                if ready {
                    let _ = client.write_all(&bytes).await;
                }
            }
        })
        .await;
        let (_, ended) = ran(source(&address, None)).await;
        task.abort();
        ended
    })
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        Just(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n".to_vec()),
        Just(b"Content-Type: application/sdp\r\nContent-Length: 90\r\n\r\n".to_vec()),
        Just(SDP.as_bytes().to_vec()),
        "[a-zA-Z]{1,9}[:=/ ]{1,2}[ -~]{0,20}\r\n".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_answer_ends_the_session_in_words(lines in proptest::collection::vec(any_line(), 0..6)) {
        let ended = survives(lines.concat(), false);
        prop_assert!(ended.words != UNREADABLE && !ended.words.contains(UNREADABLE), "retina panicked");
        prop_assert!(matches!(ended.cause, GapCause::Garbage | GapCause::Disconnected), "{}", ended);
    }

    #[test]
    fn any_packets_end_the_session_in_words(
        packets in proptest::collection::vec((any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..40),
        tail in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut sender = Sender { sequence: 0 };
        let mut bytes: Vec<u8> = packets.iter().flat_map(|(stamp, last, payload)| sender.packet(stamp >> 8, *last, payload)).collect();
        bytes.extend(tail);
        let ended = survives(bytes, true);
        prop_assert!(!ended.words.contains(UNREADABLE), "retina panicked");
        prop_assert!(matches!(ended.cause, GapCause::Garbage | GapCause::Disconnected), "{}", ended);
    }
}
