//! What the API shows: JSON shapes of `/api/v1`. Times are integer milliseconds since 1970 UTC, names end in `_ms`.

use crate::day::DayView;
use crate::{
    BBox, Detection, GapCause,
    eye::{Measured, ModelInfo},
    world::ProblemView,
};
use serde::Serialize;

/// How a camera is doing (feature A12). Each state but `Recording` comes with its mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CameraState {
    /// Not connected yet.
    Connecting,
    /// Every stream arrives and is written.
    Recording,
    /// Some streams arrive, some do not.
    Degraded,
    /// The camera refuses the password.
    AuthFailed,
    /// Connected, silent.
    Stalled,
    /// Its bytes are not video.
    Garbage,
    /// The storage does not take it.
    StorageBlocked,
    /// Cannot be reached.
    Offline,
}

/// One stream of a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamStatus {
    /// `main` or `sub`.
    pub kind: &'static str,
    /// State of this stream.
    pub state: CameraState,
    /// RFC 6381 names, comma separated; empty before the first parameters.
    pub codecs: String,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Pictures a second over the last seconds.
    pub fps: f32,
    /// Bits a second over the last seconds.
    pub bitrate: u64,
    /// Seconds between key frames, as last seen.
    pub gop_s: f32,
    /// Units dropped since start, by the hop's drop rule.
    pub dropped_units: u64,
    /// Sessions begun since start.
    pub sessions: u64,
    /// The newest error, in words.
    pub error: Option<String>,
}

/// One camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraStatus {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Overall state.
    pub state: CameraState,
    /// What to do about it; empty while recording.
    pub mend: String,
    /// The detector looks at it.
    pub detect: bool,
    /// Its streams, main first.
    pub streams: Vec<StreamStatus>,
    /// Its zones.
    pub zones: Vec<ZoneView>,
}

/// A named polygon on a camera's picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ZoneView {
    /// Its id.
    pub id: String,
    /// Corners, fractions of the picture.
    pub points: Vec<[f32; 2]>,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputStatus {
    /// Its id.
    pub id: String,
    /// The line as configured.
    pub line: String,
    /// `sim`, `gpiochip` or `rppal`.
    pub driver: String,
    /// Energised now.
    pub on: bool,
    /// Its safe level is "on".
    pub safe_on: bool,
    /// When the running pulse ends.
    pub until_ms: Option<i64>,
    /// Why it moved last, e.g. `rule person-siren: person on front`.
    pub cause: Option<String>,
    /// When it moved last.
    pub moved_ms: Option<i64>,
    /// How often it was switched on since start.
    pub moves: u64,
    /// The driver's newest error.
    pub error: Option<String>,
}

/// Cameras and the rest of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Isolation {
    /// The firewall stands and nothing is handed on.
    pub in_force: bool,
    /// The same in words, with the mend.
    pub words: String,
    /// Packets that were refused since the firewall was loaded.
    pub refused: u64,
    /// Who tried what within the last day, the most frequent first; at most 320.
    pub attempts: Vec<Attempt>,
}

/// Packets from one device to one address that were refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Its address; the hardware's when it sent with addresses of others.
    pub from: String,
    /// Where it wanted to; empty when it sent with addresses of others.
    pub to: String,
    /// Packets.
    pub times: u64,
    /// In words.
    pub words: String,
}

/// One rule, read-only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// It in a sentence.
    pub sentence: String,
    /// How often it fired since start.
    pub fired: u64,
    /// When it fired last.
    pub fired_ms: Option<i64>,
}

/// A span of footage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last.
    pub to_ms: i64,
}

/// A span with no footage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GapView {
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last; `None` while it lasts.
    pub to_ms: Option<i64>,
    /// Why, as a word.
    pub cause: GapCause,
    /// Why, in words.
    pub words: &'static str,
}

/// What there is of one stream in a range.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// Playable spans, in order, not touching.
    pub spans: Vec<Span>,
    /// Holes with a cause, in order.
    pub gaps: Vec<GapView>,
}

/// One event as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventView {
    /// 20 hexadecimal digits.
    pub id: String,
    /// Camera id.
    pub camera: String,
    /// Class.
    pub label: String,
    /// Best confidence.
    pub score: f32,
    /// Box at the best confidence.
    pub bbox: BBox,
    /// Tracker number.
    pub track: u32,
    /// First sight.
    pub start_ms: i64,
    /// Last sight; `None` while it lasts.
    pub end_ms: Option<i64>,
    /// Rules that fired on it.
    pub rules: Vec<String>,
    /// There is a picture at `/api/v1/events/{id}/snapshot.jpg`.
    pub snapshot: bool,
    /// SHA-256 of the model.
    pub model: String,
    /// When it was found in a recording; `None`: it was seen live.
    pub found_ms: Option<i64>,
}

/// How the storage is doing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct StorageStatus {
    /// `ok`, `slow`, `missing`, `foreign`, `read-only`, `full`, `failing`.
    pub state: &'static str,
    /// The folder.
    pub path: String,
    /// Reserved bytes.
    pub quota_bytes: u64,
    /// Bytes in slabs that hold footage.
    pub used_bytes: u64,
    /// Slabs in all.
    pub slabs: u32,
    /// Slabs never used or freed.
    pub free_slabs: u32,
    /// Video and audio bytes written since start.
    pub payload_bytes: u64,
    /// All bytes written since start.
    pub written_bytes: u64,
    /// Slowest write in the last minute, milliseconds.
    pub slowest_write_ms: u32,
    /// Oldest footage.
    pub oldest_ms: Option<i64>,
    /// The newest error.
    pub error: Option<String>,
}

/// How the eye is doing.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct EyeStatus {
    /// `running`, `starting`, `restarting`, `off`.
    pub state: &'static str,
    /// Process id.
    pub pid: Option<u32>,
    /// Times it was started again.
    pub restarts: u64,
    /// The model.
    pub model: ModelInfo,
    /// Decoder element by camera id.
    pub decoders: Vec<(String, String)>,
    /// Median model time, milliseconds.
    pub inference_p50_ms: f32,
    /// Pictures decoded.
    pub decoded: u64,
    /// Key frames of quiet streams among them, of which nothing else was decoded.
    pub key_only: u64,
    /// Units of quiet streams that were never decoded.
    pub left_out: u64,
    /// Processor time of its newest seconds, of one core.
    pub cpu: f32,
    /// Least time between two looks at a stream now, milliseconds.
    pub spacing_ms: u32,
    /// `normal`, `reduced` or `stills`.
    pub ease: &'static str,
    /// Why it is not normal, e.g. `83 °C`.
    pub eased_by: Option<String>,
    /// From a picture's arrival to its detections at the rules, by stage and in all; over the newest looks.
    pub latency: Vec<StageLatency>,
    /// Pictures the model ran on.
    pub inferred: u64,
    /// Groups of pictures left out because the eye was busy.
    pub skipped_gops: u64,
    /// What the kernel holds it to, e.g. `seccomp, landlock, memory 384 MiB`, and what this kernel lacks.
    pub sandbox: String,
    /// Cameras whose pictures it is spared, because they ended it.
    pub quarantine: Vec<QuarantineView>,
    /// What was measured on this board.
    pub measured: Option<Measured>,
    /// Cameras like those that are detected on now, for which this board has room besides them.
    pub room: Option<u32>,
    /// The newest error.
    pub error: Option<String>,
}

/// A camera that is recorded, but not looked at for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantineView {
    /// The camera.
    pub camera: String,
    /// What happened, for people.
    pub words: String,
    /// When it is tried again, milliseconds since 1970.
    pub until_ms: i64,
}

/// How long one stage took over the newest looks of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageLatency {
    /// `queue`, `decode`, `motion`, `wait`, `prepare`, `model`, `handover`, `total`; `relay`: from the picture until its relay
    /// has moved.
    pub stage: &'static str,
    /// Median, milliseconds.
    pub p50_ms: f32,
    /// 99 % are within, milliseconds.
    pub p99_ms: f32,
}

/// All of `/api/v1/health`.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Health {
    /// No camera, output, storage or eye needs a person.
    pub ok: bool,
    /// What needs a person, in words with the mend.
    pub problems: Vec<String>,
    /// Version of the daemon.
    pub version: String,
    /// Board name.
    pub board: String,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Resident memory of the daemon in bytes.
    pub rss_bytes: u64,
    /// Storage.
    pub storage: StorageStatus,
    /// Eye.
    pub eye: EyeStatus,
    /// How cameras are kept apart; `None` on a board without a camera side.
    pub isolation: Option<Isolation>,
    /// Every typed drop and fault counter: (name, value).
    pub counters: Vec<(&'static str, u64)>,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputStatus {
    /// Its id.
    pub id: String,
    /// The line as configured.
    pub line: String,
    /// `contact`, `pir`, `door`, `panic`, `key-switch` or `ac-fail`.
    pub kind: &'static str,
    /// Active now: pressed, open, seen, turned.
    pub active: bool,
    /// When it changed last since start.
    pub changed_ms: Option<i64>,
}

/// Whether the device is armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArmView {
    /// Armed now.
    pub armed: bool,
    /// Since when.
    pub since_ms: i64,
    /// Who or what said so last, e.g. `user ada`, `input key`, `schedule`.
    pub by: String,
}

/// What the event stream sends; the SSE `event:` name is the variant in lower case.
#[derive(Debug, Clone, Serialize)]
#[allow(clippy::large_enum_variant, reason = "some a second, and the channel that holds them is short")]
#[serde(rename_all = "lowercase", tag = "type", content = "data")]
pub enum Update {
    /// A camera's state or numbers changed.
    Camera(CameraStatus),
    /// An output moved.
    Output(OutputStatus),
    /// An input changed.
    Input(InputStatus),
    /// The device was armed or disarmed.
    Arm(ArmView),
    /// An event began, got better or ended.
    Event(EventView),
    /// What the eye sees right now on one camera; replaces what was said before.
    Detections(Detections),
    /// Something about the whole device changed.
    Health(Health),
    /// A rule fired.
    Fired(Firing),
    /// A rule asked to tell people.
    Notice(Notice),
    /// Something needs a person, or no more.
    Problem(ProblemView),
    /// A day is over: what of it was recorded.
    Day(DayView),
}

/// Boxes of one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Detections {
    /// Camera id.
    pub camera: String,
    /// When the picture reached the recorder.
    pub at_ms: i64,
    /// The model ran on it.
    pub inferred: bool,
    /// The boxes.
    pub boxes: Vec<Detection>,
    /// How the picture was looked at; no part of the page's stream.
    #[serde(skip)]
    pub look: Look,
}

/// How one picture was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Look {
    /// Pictures told of this stream since the start, this one included.
    pub frame: u64,
    /// Time in the model, milliseconds; 0 when the boxes are the tracker's.
    pub inference_ms: f32,
    /// From the picture's arrival to here, milliseconds.
    pub latency_ms: f32,
    /// Pictures told a second, over the last ones.
    pub fps: f32,
}

/// A message for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// When.
    pub at_ms: i64,
    /// The text.
    pub text: String,
    /// The event behind it.
    pub event: Option<String>,
    /// The camera that saw it.
    pub camera: Option<String>,
    /// The input that it is about.
    pub input: Option<String>,
    /// The rule that asked.
    pub rule: Option<String>,
}

/// A rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Firing {
    /// When.
    pub at_ms: i64,
    /// Which.
    pub rule: String,
    /// Why, in words.
    pub why: String,
    /// The camera it fired on.
    pub camera: Option<String>,
    /// The input it fired on.
    pub input: Option<String>,
    /// The event it fired on.
    pub event: Option<String>,
    /// It only says what it would do.
    pub dry_run: bool,
}
