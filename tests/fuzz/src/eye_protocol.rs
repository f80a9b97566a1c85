//! Bytes from the other end of the eye's socket → messages. What decodes encodes to what decodes to the same.

use crate::draw::Draw;
use bytes::Bytes;
use nightjar_types::eye::{
    self, Busy, DecoderRun, Ease, EyeCounters, FromEye, MAX_MESSAGE, Measured, ModelInfo, ModelRun, PROTOCOL,
    Sandbox, Stages, ToEye, Work,
};
use nightjar_types::{BBox, Detection, Mono, VideoCodec};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let some = Bytes::from_static(b"\0\0\0\x02\x65\x88");
    let (stream, mono) = (3, Mono(123_456));
    let h264 = VideoCodec::H264;
    let to = [
        ToEye::Hello { protocol: PROTOCOL },
        ToEye::Open { stream, camera: "front".into(), codec: h264, config: some.clone(), min_score: 0.3 },
        ToEye::Unit { stream, mono, is_key: true, data: some.clone() },
        ToEye::Skip { stream },
        ToEye::Close { stream },
        ToEye::Still { request: 1, codec: VideoCodec::H265, config: some.clone(), data: some.clone() },
        ToEye::Ping { nonce: 7 },
        ToEye::Ease { level: Ease::Reduced },
    ];
    let bbox = BBox { x: 0.1, y: 0.2, w: 0.3, h: 0.4 };
    let seen = Detection { label: "person".into(), score: 0.9, bbox, track: Some(4) };
    let model =
        ModelInfo { card: "c".into(), sha256: "00".into(), labels: vec!["person".into(), "dog".into()] };
    let sandbox = Sandbox { in_force: vec!["seccomp".into()], missing: vec!["landlock: none".into()] };
    let busy = vec![Busy { work: Work::Looking, on: stream, mono, ms: 40 }];
    let run =
        ModelRun { card: "c".into(), runtime: "tract".into(), look_ms: Some(20.5), ..ModelRun::default() };
    let element = "avdec_h264".to_owned();
    let decoder = DecoderRun { codec: h264, element, cpu_ms: None, fault: Some("not there".into()) };
    let measured = Measured { models: vec![run], decoders: vec![decoder], ..Measured::default() };
    let from = [
        FromEye::Hello { protocol: PROTOCOL, model, sandbox },
        FromEye::Frame {
            stream,
            mono,
            inferred: true,
            inference_ms: 40.5,
            motion: 0.1,
            detections: vec![seen],
            stages: Stages { decode_us: 2_000, ..Stages::default() },
        },
        FromEye::Snapshot { stream, track: 4, mono, score: 0.9, jpeg: some.clone() },
        FromEye::Lost { stream, track: 4, mono },
        FromEye::Still { request: 1, jpeg: Err("no key frame".into()) },
        FromEye::Decoder { stream, element: Ok("avdec_h264".into()) },
        FromEye::Pong { nonce: 7, counters: EyeCounters { decoded: 5, ..EyeCounters::default() }, busy },
        FromEye::Pace { stream, is_quiet: true },
        FromEye::Measured(measured),
    ];
    let sent = |message: Vec<u8>, side: u8| [&[side][..], &message].concat();
    let to = to.iter().map(|m| sent(eye::encode(m).expect("it is small"), 0));
    let from = from.iter().map(|m| sent(eye::encode(m).expect("it is small"), 1));
    to.chain(from).collect()
}

/// One byte chooses the side that reads; then frames, until one is too long, cut or no message.
pub(crate) fn eye_protocol(data: &[u8]) {
    let mut draw = Draw::new(data);
    let next = if draw.flag() { message::<FromEye> } else { message::<ToEye> };
    while next(&mut draw).is_some() {}
}

fn message<T: Serialize + DeserializeOwned>(draw: &mut Draw<'_>) -> Option<()> {
    let prefix: [u8; 4] = draw.take(4).try_into().ok()?;
    let len = eye::body_len(prefix).ok()?;
    assert!(len <= MAX_MESSAGE);
    // A cut body is read as well: the length is then a lie that only the fuzzer tells.
    let said: T = eye::decode(draw.take(len)).ok()?;
    let sent = eye::encode(&said).expect("what came in one message fits into one");
    let again: T = eye::decode(&sent[4..]).expect("what was encoded decodes");
    // Compared as bytes, since a NaN is not equal to itself.
    assert_eq!(eye::encode(&again).expect("it did before"), sent);
    Some(())
}
