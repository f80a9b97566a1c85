//! What a person wrote, key by key. Unknown keys are refused. Absent keys take the values given here.

use super::inputs::{Texts, TypedArm, TypedInput, TypedPower};
use super::sight::{TypedLimits, TypedLine, TypedMask, TypedScores};
use super::value::{ByteSize, OneOrMany, Span};
use super::world::{TypedEmail, TypedMqtt, TypedNtfy, TypedPush, TypedWebhook};
use crate::Secret;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Typed {
    pub(super) device: Device,
    pub(super) storage: Storage,
    pub(super) record: Record,
    pub(super) keep: Keep,
    pub(super) web: Web,
    pub(super) board: Board,
    pub(super) eye: Eye,
    pub(super) night: super::night::Typed,
    pub(super) camera: Vec<Camera>,
    pub(super) output: Vec<Output>,
    pub(super) input: Vec<TypedInput>,
    pub(super) arm: TypedArm,
    pub(super) power: TypedPower,
    pub(super) rule: Vec<Rule>,
    pub(super) mqtt: Option<TypedMqtt>,
    pub(super) webhook: Vec<TypedWebhook>,
    pub(super) ntfy: Option<TypedNtfy>,
    pub(super) email: Option<TypedEmail>,
    pub(super) push: Option<TypedPush>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) state_dir: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) socket: String,
    pub(super) update_agent: String,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            name: "nightjar".into(),
            state_dir: None,
            timezone: None,
            socket: "/run/nightjar/board.sock".into(),
            update_agent: "/run/nightjar-ota/agent.sock".into(),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Storage {
    pub(super) path: String,
    pub(super) quota: ByteSize,
    pub(super) sync: Span,
    pub(super) memory: ByteSize,
    pub(super) holds: f32,
    pub(super) volume: Option<String>,
    pub(super) endurance: Option<ByteSize>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            path: "/var/lib/nightjar/footage".into(),
            quota: ByteSize(8 << 30),
            sync: Span::millis(900),
            memory: ByteSize(32 << 20),
            holds: 0.25,
            volume: None,
            endurance: None,
        }
    }
}

/// Of all cameras, or of one over those of all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Record {
    pub(super) main: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) pre_roll: Option<Span>,
    pub(super) post_roll: Option<Span>,
}

/// Of all cameras, or of one over those of all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Keep {
    pub(super) continuous: Option<Limit>,
    pub(super) motion: Option<Limit>,
    pub(super) event: Option<Limit>,
    pub(super) sub: Option<Limit>,
    pub(super) thin: Option<Thin>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limit {
    pub(super) age: Option<Span>,
    pub(super) bytes: Option<ByteSize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Thin {
    pub(super) after: Span,
    pub(super) to: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Web {
    pub(super) listen: String,
    pub(super) tls: String,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8080".into(), tls: "auto".into() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Board {
    pub(super) name: String,
}

impl Default for Board {
    fn default() -> Self {
        Self { name: "auto".into() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Eye {
    pub(super) card: String,
    pub(super) models: Option<String>,
    pub(super) program: Option<String>,
    pub(super) threads: u8,
    pub(super) memory: ByteSize,
    pub(super) detector: Option<String>,
    pub(super) cpu: f32,
    pub(super) min_score: f32,
    pub(super) event_score: f32,
    pub(super) tamper: bool,
}

impl Default for Eye {
    fn default() -> Self {
        Self {
            card: "auto".into(),
            models: None,
            program: None,
            threads: 1,
            memory: ByteSize(384 << 20),
            detector: None,
            cpu: 1.0,
            min_score: 0.3,
            event_score: 0.5,
            tamper: true,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Camera {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) main: String,
    pub(super) sub: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret<String>>,
    pub(super) password_file: Option<String>,
    #[serde(default = "yes")]
    pub(super) detect: bool,
    pub(super) tamper: Option<bool>,
    #[serde(default)]
    pub(super) eye: TypedScores,
    #[serde(default)]
    pub(super) classes: Vec<String>,
    #[serde(default)]
    pub(super) filter: BTreeMap<String, TypedLimits>,
    #[serde(default)]
    pub(super) mask: Vec<TypedMask>,
    #[serde(default)]
    pub(super) line: Vec<TypedLine>,
    #[serde(default)]
    pub(super) zone: Vec<Zone>,
    #[serde(default)]
    pub(super) record: Record,
    #[serde(default)]
    pub(super) keep: Keep,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Zone {
    pub(super) id: String,
    pub(super) points: Vec<[f32; 2]>,
    #[serde(default)]
    pub(super) classes: Vec<String>,
    #[serde(default)]
    pub(super) filter: BTreeMap<String, TypedLimits>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub(super) id: String,
    pub(super) line: String,
    #[serde(default = "high")]
    pub(super) active: String,
    #[serde(default = "off")]
    pub(super) safe: String,
    #[serde(default = "ten_minutes")]
    pub(super) max_on: Span,
    #[serde(default = "nothing")]
    pub(super) min_off: Span,
    #[serde(default = "nothing")]
    pub(super) cooldown: Span,
    pub(super) never_with: Option<Texts>,
}

fn high() -> String {
    "high".into()
}

fn off() -> String {
    "off".into()
}

fn nothing() -> Span {
    Span::millis(0)
}

fn ten_minutes() -> Span {
    Span::millis(600_000)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) when: When,
    #[serde(rename = "do")]
    pub(super) actions: OneOrMany<Action>,
    pub(super) cooldown: Option<Span>,
    #[serde(default)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct When {
    pub(super) class: Option<String>,
    pub(super) camera: Option<String>,
    pub(super) zone: Option<String>,
    pub(super) line: Option<String>,
    pub(super) direction: Option<String>,
    pub(super) moving: Option<bool>,
    pub(super) score: f32,
    pub(super) dwell: Span,
    pub(super) away: Span,
    pub(super) count: Option<u8>,
    pub(super) input: Option<String>,
    pub(super) becomes: Option<String>,
    pub(super) armed: Option<bool>,
    pub(super) during: Option<Texts>,
}

impl Default for When {
    fn default() -> Self {
        Self {
            class: None,
            camera: None,
            zone: None,
            line: None,
            direction: None,
            moving: None,
            score: 0.5,
            dwell: Span::millis(0),
            away: Span::millis(0),
            count: None,
            input: None,
            becomes: None,
            armed: None,
            during: None,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Action {
    pub(super) pulse: Option<String>,
    pub(super) hold: Option<String>,
    pub(super) latch: Option<String>,
    pub(super) release: Option<String>,
    pub(super) notify: Option<String>,
    #[serde(rename = "for")]
    pub(super) lasting: Option<Span>,
    pub(super) linger: Option<Span>,
}
