//! TOML text → [`Written`] (what a person wrote) → [`Config`] (ranges checked, names resolved). Pure: files are read elsewhere.

mod check;
mod error;
mod inputs;
mod night;
mod recording;
mod schedule;
mod sight;
mod typed;
mod value;
mod world;
mod written;

pub use check::SCHEMES;
pub use error::{ConfigError, Fault};
pub use inputs::{Arm, Circumstances, Input, InputKind, Power, Pull};
pub use night::Night;
pub use recording::{Keep, Limit, Mode, Record, Thin, ThinTo};
pub use schedule::{Schedule, WEEK_MIN};
pub use sight::{Filter, Limits, Line, Scores, Way};
pub use world::{Email, MailTls, Mqtt, Ntfy, Push, Tells, Webhook, World};
pub use written::{Sight, Sights, Written};

use crate::{CameraId, Name, OutputId, Secret};
use std::time::Duration;

/// Everything the daemon is told, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[device]`.
    pub device: Device,
    /// `[storage]`.
    pub storage: Storage,
    /// `[record]`: what cameras without their own get.
    pub record: Record,
    /// `[keep]`: what cameras without their own get.
    pub keep: Keep,
    /// `[web]`.
    pub web: Web,
    /// `[board]` name; `auto` looks at the device tree.
    pub board: String,
    /// `[eye]`.
    pub eye: Eye,
    /// `[night]`.
    pub night: Night,
    /// `[[camera]]`, in file order.
    pub cameras: Vec<Camera>,
    /// `[[output]]`, in file order.
    pub outputs: Vec<Output>,
    /// `[[input]]`, in file order.
    pub inputs: Vec<Input>,
    /// `[arm]`.
    pub arm: Arm,
    /// `[power]`.
    pub power: Power,
    /// `[[rule]]`, in file order.
    pub rules: Vec<Rule>,
    /// Who outside is told.
    pub world: World,
}

/// Who this device is.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Shown on the page.
    pub name: String,
    /// Users, keys and audit; `None` means `.nightjar/state` in the storage folder.
    pub state_dir: Option<String>,
    /// Name of its time zone, e.g. `Europe/Berlin`, or a POSIX rule; `None`: the system's.
    pub timezone: Option<String>,
    /// Socket at which programs of this board ask how the recorder is.
    pub socket: String,
    /// Socket of the update agent.
    pub update_agent: String,
}

/// Where footage goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// The folder.
    pub path: String,
    /// Bytes reserved for footage.
    pub quota: u64,
    /// Longest time between two write-outs to the card.
    pub sync: Duration,
    /// Bytes of footage that may wait in memory while the card does not take them.
    pub memory: u64,
    /// Share of the quota that held footage may take, 0..=0.9.
    pub holds: f32,
    /// Id of the volume; no other one is written. `None`: the first that is found, from then on remembered.
    pub volume: Option<String>,
    /// Bytes that may be written to the card in its life, as its maker says.
    pub endurance: Option<u64>,
}

/// The web server.
#[derive(Debug, Clone, PartialEq)]
pub struct Web {
    /// Address and port.
    pub listen: std::net::SocketAddr,
    /// TLS.
    pub tls: Tls,
}

/// When the page is served over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// On every address but loopback.
    Auto,
    /// Never: a reverse proxy does it, or nobody listens.
    Off,
}

/// The detector process.
#[derive(Debug, Clone, PartialEq)]
pub struct Eye {
    /// Model card id.
    pub card: String,
    /// Folder with prepared model files; `None` means the places that `nightjar-eye` knows.
    pub models: Option<String>,
    /// The program; `None` means `nightjar-eye` beside `nightjar`.
    pub program: Option<String>,
    /// Threads the model may use.
    pub threads: u8,
    /// Memory that it may use, bytes.
    pub memory: u64,
    /// A detector of somebody else's, in place of the model.
    pub detector: Option<String>,
    /// Share of a core that the eye may use, more than 1 for several.
    pub cpu: f32,
    /// Least confidence that is reported at all, 0..1.
    pub min_score: f32,
    /// Least confidence that begins an event, 0..1.
    pub event_score: f32,
    /// Tell of cameras that are covered, moved, blurred or lost, where a camera says nothing else.
    pub tamper: bool,
}

/// One camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its id: folder and URL name.
    pub id: CameraId,
    /// Its name for people.
    pub name: String,
    /// Main stream.
    pub main: SourceUrl,
    /// Sub stream.
    pub sub: Option<SourceUrl>,
    /// User name at the camera.
    pub username: Option<String>,
    /// Password at the camera.
    pub password: Option<Password>,
    /// Run the detector on it.
    pub detect: bool,
    /// Tell when it is covered, moved, blurred or lost.
    pub tamper: bool,
    /// Confidences in place of those of `[eye]`.
    pub scores: Scores,
    /// What counts on it.
    pub filter: Filter,
    /// Polygons in which nothing is ever seen, corners as fractions of the picture.
    pub masks: Vec<Vec<[f32; 2]>>,
    /// Named lines.
    pub lines: Vec<Line>,
    /// Named polygons.
    pub zones: Vec<Zone>,
    /// What is recorded.
    pub record: Record,
    /// How long it is kept.
    pub keep: Keep,
}

/// Where a password or key is.
#[derive(Debug, Clone, PartialEq)]
pub enum Password {
    /// In the config.
    Inline(Secret<String>),
    /// In a file, read at start.
    File(String),
}

/// An address of a stream, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceUrl {
    /// Text before the first colon, lower case: a row of the source table.
    pub scheme: String,
    /// The whole address.
    pub text: String,
}

/// A named polygon, corners as fractions of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its id.
    pub id: Name,
    /// 3 to 16 corners.
    pub points: Vec<[f32; 2]>,
    /// What counts in it, for rules.
    pub filter: Filter,
}

/// One switched line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its id.
    pub id: OutputId,
    /// Line name as the board knows it, e.g. `GPIO17` or `sim:1`.
    pub line: String,
    /// The electrical level "low" means on.
    pub is_active_low: bool,
    /// The safe state is "on".
    pub is_safe_on: bool,
    /// Longest time it may stay on; zero: no limit.
    pub max_on: Duration,
    /// Least time at the safe level between two times on: what comes sooner waits.
    pub min_off: Duration,
    /// After it was on, what comes within this is refused.
    pub cooldown: Duration,
    /// Never on together with these.
    pub never_with: Vec<OutputId>,
}

/// When → do.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its id.
    pub id: Name,
    /// The condition.
    pub when: When,
    /// What happens, 1 to 4.
    pub actions: Vec<RuleAction>,
    /// Least time between two firings.
    pub cooldown: Duration,
    /// It fires and tells, but moves no output.
    pub is_dry_run: bool,
}

/// A condition on a tracked thing or on an input. Absent parts match everything.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// Class name.
    pub class: Option<String>,
    /// Camera id.
    pub camera: Option<CameraId>,
    /// Zone id on that camera.
    pub zone: Option<Name>,
    /// Line id on that camera.
    pub line: Option<Name>,
    /// Which way the line is crossed; `None`: either.
    pub direction: Option<Way>,
    /// Only what is on the move, or only what stands; `None`: either.
    pub moving: Option<bool>,
    /// Least confidence, 0..1.
    pub score: f32,
    /// How long it must be there.
    pub dwell: Duration,
    /// Absences up to this do not end its being there.
    pub away: Duration,
    /// Inputs, arming, time and number.
    pub circumstances: Circumstances,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleAction {
    /// On for a time.
    Pulse {
        /// Which output.
        output: OutputId,
        /// How long.
        on_for: Duration,
    },
    /// On as long as the condition holds, and a while longer.
    Hold {
        /// Which output.
        output: OutputId,
        /// How much longer.
        linger: Duration,
    },
    /// On until a rule or a person ends it.
    Latch {
        /// Which output.
        output: OutputId,
    },
    /// Ends the latch of an output.
    Release {
        /// Which output.
        output: OutputId,
    },
    /// Tell people.
    Notify {
        /// The text.
        text: String,
    },
}

impl Default for Config {
    fn default() -> Self {
        check::resolve(typed::Typed::default()).expect("the built-in defaults are valid")
    }
}

impl Config {
    /// Parses and checks. `file` only names the source in messages.
    pub fn from_toml(text: &str, file: &str) -> Result<Self, ConfigError> {
        Written::parse(text, file)?.check()
    }
}

/// A length of time as configuration and command line write it: `"500ms"`, `"3s"`, `"10min"`, `"2h"`, `"7d"`.
pub fn duration(text: &str) -> Option<Duration> {
    value::with_unit(text, value::TIMES).map(Duration::from_millis)
}

/// Bytes as configurations write them: `"64GiB"`, `"500MB"`.
pub fn size(text: &str) -> Option<u64> {
    value::with_unit(text, value::SIZES)
}

/// Bits a second as addresses of local cameras write it: `"500k"`, `"2M"`.
pub fn bit_rate(text: &str) -> Option<u64> {
    value::with_unit(text, value::BIT_RATES)
}

#[cfg(test)]
mod tests;
