//! What the web asks of the daemon, and nothing else: one read handle with one command. The daemon implements it.

use crate::alarms::{PushForm, PushView};
use crate::night::{JobView, NightForm, NightView};
use crate::rules::{Draft, Rehearsal, RulesText};
use crate::sight::SightView;
use crate::storage::{ClockView, HoldForm, HoldView, HoldsView, StorageView};
use bytes::Bytes;
pub use futures_util::future::BoxFuture;
use nightjar_types::gate::GateReport;
pub use nightjar_types::live::LiveMessage;
use nightjar_types::status::{
    ArmView, CameraStatus, Coverage, EventView, Health, InputStatus, OutputStatus, RuleView, Update,
};
use nightjar_types::world::{AlarmView, Told};
use nightjar_types::{EventId, StreamKind, Wall};
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};

/// The daemon as the web sees it. Methods without a future answer from memory and never block; every future is given
/// a deadline by the caller and may be dropped at any moment.
pub trait Desk: Send + Sync + 'static {
    /// Every configured camera, in the order of the configuration.
    fn cameras(&self) -> Vec<CameraStatus>;
    /// Every configured output, in the order of the configuration.
    fn outputs(&self) -> Vec<OutputStatus>;
    /// Every configured input, in the order of the configuration.
    fn inputs(&self) -> Vec<InputStatus>;
    /// Whether the device is armed.
    fn arm(&self) -> ArmView;
    /// Arms or disarms the device on behalf of `who`; answers with its state after.
    fn set_armed(&self, armed: bool, who: &str) -> BoxFuture<'_, Result<ArmView, DeskError>>;
    /// Every rule, in the order of the configuration.
    fn rules(&self) -> Vec<RuleView>;
    /// The rules as they are written.
    fn rules_text(&self) -> BoxFuture<'_, Result<RulesText, DeskError>>;
    /// What counts in a camera's picture, as it is written.
    fn sight(&self, camera: &str) -> BoxFuture<'_, Result<SightView, DeskError>>;
    /// Runs a draft over what was seen and heard in the last hours. Moves nothing.
    fn rehearse(&self, draft: Draft, hours: u32) -> BoxFuture<'_, Result<Rehearsal, DeskError>>;
    /// Puts a draft in force: the recorder starts again with it soon after.
    fn save(&self, draft: Draft) -> BoxFuture<'_, Result<(), DeskError>>;
    /// The whole device.
    fn health(&self) -> Health;
    /// How all is, for programs of this board; with `since`, also what footage is missing from then on.
    fn gate(&self, since: Option<Wall>) -> BoxFuture<'_, Result<GateReport, DeskError>>;
    /// All that changes from now on. A reader that lags loses the oldest and is told so by the channel.
    fn updates(&self) -> broadcast::Receiver<Update>;
    /// Begins a live feed; dropping it ends it. The web asks for `Sub` only of a camera that has a sub stream.
    fn live(&self, camera: &str, stream: StreamKind) -> Result<LiveFeed, DeskError>;
    /// What there is of one stream in `from..to`.
    fn coverage(
        &self,
        camera: &str,
        stream: StreamKind,
        from: Wall,
        to: Wall,
    ) -> BoxFuture<'_, Result<Coverage, DeskError>>;
    /// Newest first, at most `query.limit`.
    fn events(&self, query: EventQuery) -> BoxFuture<'_, Result<Vec<EventView>, DeskError>>;
    /// One event.
    fn event(&self, id: EventId) -> BoxFuture<'_, Result<EventView, DeskError>>;
    /// The event's best picture, JFIF bytes.
    fn event_snapshot(&self, id: EventId) -> BoxFuture<'_, Result<Bytes, DeskError>>;
    /// JFIF bytes of the key frame at or before `at`; `None` is the newest picture.
    fn still(
        &self,
        camera: &str,
        stream: StreamKind,
        at: Option<Wall>,
    ) -> BoxFuture<'_, Result<Bytes, DeskError>>;
    /// Footage as one MP4.
    fn export(&self, query: ExportQuery) -> BoxFuture<'_, Result<Arc<dyn Export>, DeskError>>;
    /// The key that signs what is recorded; `None` when there is none.
    fn device_key(&self) -> Option<DeviceKeyView>;
    /// How the storage is, how long footage stays, how the card lives, what the clock is worth.
    fn storage(&self) -> BoxFuture<'_, Result<StorageView, DeskError>>;
    /// Every hold and the budget.
    fn holds(&self) -> BoxFuture<'_, Result<HoldsView, DeskError>>;
    /// Keeps footage until somebody lets it go, on behalf of `who`.
    fn hold(&self, form: HoldForm, who: &str) -> BoxFuture<'_, Result<HoldView, DeskError>>;
    /// Lets a hold go; answers with what it was.
    fn release(&self, id: u32) -> BoxFuture<'_, Result<HoldView, DeskError>>;
    /// What the night shift does and will do.
    fn night(&self) -> NightView;
    /// Has a range looked at again, on behalf of `who`.
    fn look_again(&self, form: NightForm, who: &str) -> BoxFuture<'_, Result<JobView, DeskError>>;
    /// Drops a job of the night shift; answers with what it was.
    fn drop_job(&self, id: u32) -> BoxFuture<'_, Result<JobView, DeskError>>;
    /// Sets the system's clock, unless something that knows the time keeps it.
    fn set_clock(&self, now: Wall) -> BoxFuture<'_, Result<ClockView, DeskError>>;
    /// Lets the detector look at a camera again whose pictures ended it.
    fn release_camera(&self, camera: &str) -> Result<(), DeskError>;
    /// How every alarm does, in the order of the configuration.
    fn alarms(&self) -> Vec<AlarmView>;
    /// Has an alarm tell that `who` tests it; answers with its state just after.
    fn test_alarm(&self, alarm: &str, who: &str) -> Result<AlarmView, DeskError>;
    /// Has an alarm tell one of its newest messages again; answers with what had become of it.
    fn tell_again(&self, alarm: &str, message: u64) -> Result<Told, DeskError>;
    /// What a browser needs to ask for messages; `None`: Web Push is off.
    fn push(&self) -> Option<PushView>;
    /// Takes in a browser that asks for messages, on behalf of `who`.
    fn subscribe(&self, form: PushForm, who: &str) -> BoxFuture<'_, Result<(), DeskError>>;
    /// Leaves a browser out that has this endpoint.
    fn unsubscribe(&self, endpoint: String) -> BoxFuture<'_, Result<(), DeskError>>;
    /// Switches an output on for `ms` (100..=5000) on behalf of `who`; answers with its state just after.
    fn test_output(&self, output: &str, ms: u32, who: &str)
    -> BoxFuture<'_, Result<OutputStatus, DeskError>>;
    /// Puts an output to its safe level, whatever drives it, on behalf of `who`; answers with its state just after.
    fn switch_off(&self, output: &str, who: &str) -> BoxFuture<'_, Result<OutputStatus, DeskError>>;
}

/// A virtual MP4: its length is known, its bytes are made when read.
pub trait Export: Send + Sync + 'static {
    /// All bytes of the file.
    fn len(&self) -> u64;
    /// There is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Wall clock of its first picture: the key frame at or before what was asked for.
    fn start(&self) -> Wall;
    /// Moment after its last picture.
    fn end(&self) -> Wall;
    /// An HLS media playlist of its byte ranges; `uri` is where it is. `None` when it has none.
    fn playlist(&self, uri: &str) -> Option<String>;
    /// Opaque tag, without quotes: equal tags promise equal bytes at every offset.
    fn etag(&self) -> String;
    /// Name for a download, e.g. `front-2026-11-21T10-00-00Z.mp4`.
    fn file_name(&self) -> String;
    /// Bytes from `offset`: 1..=`max` of them; never empty before `len`.
    fn read(&self, offset: u64, max: usize) -> BoxFuture<'_, Result<Bytes, DeskError>>;
}

/// A live stream for one viewer. The sender drops whole groups of pictures when the channel is full and says so.
#[derive(Debug)]
pub struct LiveFeed {
    /// `Init` first; ends when the sender is gone.
    pub messages: mpsc::Receiver<LiveMessage>,
}

/// Which footage, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportQuery {
    /// The camera.
    pub camera: String,
    /// Its stream.
    pub stream: StreamKind,
    /// First moment.
    pub from: Wall,
    /// Moment after the last.
    pub to: Wall,
    /// Clip or film.
    pub form: Form,
}

/// What footage becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// All of it.
    Clip {
        /// Events as chapters.
        chapters: bool,
        /// With its proof at the end.
        proof: bool,
    },
    /// One key frame for each step.
    Film {
        /// Microseconds from step to step, above 0.
        every_us: i64,
        /// Pictures a second, 1 to 60.
        fps: u32,
    },
}

/// The public half of the key that signs footage.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DeviceKeyView {
    /// Ed25519, 64 hexadecimal digits: what `nightjar verify --key` takes.
    pub public_key: String,
    /// For comparing by eye.
    pub fingerprint: String,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// Only of this camera.
    pub camera: Option<String>,
    /// Only of this class.
    pub label: Option<String>,
    /// Only such that began at or after this moment.
    pub from: Option<Wall>,
    /// Only such that began before this moment.
    pub to: Option<Wall>,
    /// Only older ones than this (exclusive).
    pub before: Option<EventId>,
    /// At most so many, 1 or more.
    pub limit: usize,
}

/// Why the daemon cannot. The words reach the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// Ask for another: 404.
    #[error("there is no camera \"{0}\"; GET /api/v1/cameras lists them")]
    UnknownCamera(String),
    /// Ask for another: 404.
    #[error("there is no output \"{0}\"; GET /api/v1/outputs lists them")]
    UnknownOutput(String),
    /// Ask for another: 404.
    #[error("there is no alarm \"{0}\"; GET /api/v1/alarms lists them")]
    UnknownAlarm(String),
    /// Ask for another: 404.
    #[error("there is no event \"{0}\"; it may have been recycled with its footage")]
    UnknownEvent(String),
    /// Ask for another: 404.
    #[error("there is no hold {0}; GET /api/v1/holds lists them")]
    UnknownHold(u32),
    /// Ask for another: 404.
    #[error("there is no job {0}; GET /api/v1/night lists them")]
    UnknownJob(u32),
    /// Mend it and ask again: 422.
    #[error("{0}")]
    Refused(String),
    /// What is there does not allow it; change that first: 409.
    #[error("{0}")]
    Conflict(String),
    /// The system does not let the recorder do it; a person gives it the right: 503.
    #[error("{0}")]
    NotPermitted(String),
    /// Ask for another range: 404.
    #[error("no footage of \"{camera}\" ({stream}) in that range: {words}")]
    NoFootage {
        /// The camera.
        camera: String,
        /// The stream.
        stream: StreamKind,
        /// Why, e.g. the gap's cause or where the footage begins.
        words: String,
    },
    /// Try again later: 404.
    #[error("no picture: {0}")]
    NoPicture(String),
    /// It is in use by something with more right: 409.
    #[error("{0}")]
    Busy(String),
    /// The disk or its index does not answer: 503.
    #[error("storage: {0}")]
    Storage(String),
    /// Names what was waited for: 504.
    #[error("{0} took too long; try again")]
    TimedOut(&'static str),
}
