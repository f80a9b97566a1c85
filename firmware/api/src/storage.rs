//! The storage's state, forecast and life, holds, and the clock → JSON. Holding, letting go and setting the clock are audited
//! with who did it.

use crate::app::{App, within};
use crate::asked::Sent;
use crate::auth::Who;
use crate::error::ApiError;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use nightjar_types::Wall;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a clock may be set to, in milliseconds: 2025 is before this program, and 2100 after all of its boards.
pub const CLOCK_RANGE_MS: std::ops::Range<i64> = 1_735_689_600_000..4_102_444_800_000;

/// All of `/api/v1/storage`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StorageView {
    /// `ok`, `slow`, `missing`, `foreign`, `read-only`, `full`, `failing`.
    pub state: &'static str,
    /// The state in words.
    pub words: String,
    /// What to do about it; empty while it is `ok`.
    pub mend: String,
    /// Reserved bytes.
    pub quota_bytes: u64,
    /// Bytes in slabs that hold footage.
    pub used_bytes: u64,
    /// How long footage stays, all streams together: the shortest.
    pub forecast: ForecastView,
    /// How long it stays, for each stream that has any.
    pub streams: Vec<StreamForecast>,
    /// What was written to the card by this recorder, ever.
    pub wear: WearView,
    /// How long the card lasts.
    pub life: LifeView,
    /// What the device says of itself.
    pub device: CardView,
    /// Held footage.
    pub holds: BudgetView,
    /// The recorder's clock.
    pub clock: ClockView,
    /// Records that were found damaged since the start.
    pub damaged_records: u64,
}

/// How long footage stays.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastView {
    /// `12 days 4 h; shrinking since yard's bitrate doubled 3 h ago`.
    pub words: String,
    /// What the ring covers at the present rate, seconds; 0 when nothing is known.
    pub covers_s: u64,
    /// `unknown`, `steady`, `filling`, `shrinking`, `growing`.
    pub trend: &'static str,
    /// While it fills: what is there now, seconds.
    pub so_far_s: Option<u64>,
    /// While it shrinks or grows: the stream that changed most.
    pub change: Option<ChangeView>,
}

/// A stream that records more or less than it did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeView {
    /// Camera id.
    pub camera: String,
    /// `main` or `sub`.
    pub stream: &'static str,
    /// Its present rate as a multiple of its average; 0 when it records no more, `None` when it is new.
    pub times: Option<f64>,
    /// How long ago, seconds.
    pub ago_s: u64,
}

/// One stream's forecast.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamForecast {
    /// Camera id.
    pub camera: String,
    /// `main` or `sub`.
    pub stream: &'static str,
    /// How long its footage stays.
    pub forecast: ForecastView,
}

/// What was written to the card.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WearView {
    /// All bytes.
    pub written_bytes: u64,
    /// Bytes of video and audio among them.
    pub video_bytes: u64,
    /// The first by the second; `None` before the first byte.
    pub ratio: Option<f64>,
}

/// How long the card lasts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LifeView {
    /// In words.
    pub words: String,
    /// Seconds; `None` when it cannot be told.
    pub left_s: Option<u64>,
}

/// What the block device says. What it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CardView {
    /// Kernel name, e.g. `mmcblk0`.
    pub name: Option<String>,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// Bytes that everybody wrote to it since boot.
    pub written_since_boot_bytes: Option<u64>,
    /// Life used up, per cent.
    pub life_used_percent: Option<u8>,
    /// Its spare blocks are nearly used up.
    pub is_near_end: bool,
}

/// Held footage and how much of it there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetView {
    /// Holds.
    pub count: u32,
    /// Bytes of all held slabs, each counted once.
    pub used_bytes: u64,
    /// Bytes that may be held.
    pub budget_bytes: u64,
}

/// The recorder's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClockView {
    /// Its time now.
    pub now_ms: i64,
    /// Something that knows the time has set it.
    pub is_sure: bool,
    /// What there is to say about it; empty when it is sure.
    pub hint: String,
}

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldView {
    /// Its number.
    pub id: u32,
    /// Camera ids; empty: all.
    pub cameras: Vec<String>,
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last.
    pub to_ms: i64,
    /// Why, in the words of who made it.
    pub note: String,
    /// Who made it.
    pub by: String,
    /// When it was made.
    pub made_ms: i64,
    /// Bytes of the slabs that it holds.
    pub bytes: u64,
}

/// All of `/api/v1/holds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldsView {
    /// In the order in which they were made.
    pub holds: Vec<HoldView>,
    /// Bytes of all held slabs, each counted once.
    pub used_bytes: u64,
    /// Bytes that may be held.
    pub budget_bytes: u64,
}

/// A hold that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldForm {
    /// Camera ids; empty: all.
    #[serde(default)]
    pub cameras: Vec<String>,
    /// First moment.
    pub from_ms: i64,
    /// Moment after the last.
    pub to_ms: i64,
    /// Why.
    #[serde(default)]
    pub note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockForm {
    now_ms: i64,
}

type Shared = State<Arc<App>>;

pub(crate) async fn storage(State(app): Shared) -> Result<Json<StorageView>, ApiError> {
    within("the storage", app.desk.storage()).await.map(Json)
}

pub(crate) async fn holds(State(app): Shared) -> Result<Json<HoldsView>, ApiError> {
    within("the holds", app.desk.holds()).await.map(Json)
}

pub(crate) async fn hold(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<HoldForm>,
) -> Result<Response, ApiError> {
    let who = who.to_string();
    let (from, to) = (Wall::from_ms(form.from_ms), Wall::from_ms(form.to_ms));
    let held = within("the hold", app.desk.hold(form, &who)).await;
    match &held {
        Ok(held) => app.audit.record(&who, &format!("made hold {}", sentence(held))),
        Err(error) => app.audit.record(&who, &format!("could not hold {from} to {to}: {error}")),
    }
    Ok((StatusCode::CREATED, Json(held?)).into_response())
}

pub(crate) async fn release(
    State(app): Shared,
    Path(id): Path<String>,
    Extension(who): Extension<Who>,
) -> Result<Json<HoldView>, ApiError> {
    let wrong =
        |_| ApiError::BadRequest(format!("\"{id}\" is no hold's number; GET /api/v1/holds lists them"));
    let (id, who) = (id.parse().map_err(wrong)?, who.to_string());
    let held = within("the hold", app.desk.release(id)).await;
    match &held {
        Ok(held) => app.audit.record(&who, &format!("let go hold {}", sentence(held))),
        Err(error) => app.audit.record(&who, &format!("could not let go hold {id}: {error}")),
    }
    held.map(Json)
}

/// `3: front, yard from … to …: "parcel stolen"`.
fn sentence(hold: &HoldView) -> String {
    let cameras = if hold.cameras.is_empty() { "all cameras".into() } else { hold.cameras.join(", ") };
    let (from, to) = (Wall::from_ms(hold.from_ms), Wall::from_ms(hold.to_ms));
    let note = if hold.note.is_empty() { String::new() } else { format!(": \"{}\"", hold.note) };
    format!("{}: {cameras} from {from} to {to}{note}", hold.id)
}

pub(crate) async fn set_clock(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Sent(form): Sent<ClockForm>,
) -> Result<Json<ClockView>, ApiError> {
    if !CLOCK_RANGE_MS.contains(&form.now_ms) {
        let words =
            format!("now_ms is {}: a time from 2025 to 2099, in milliseconds since 1970", form.now_ms);
        return Err(ApiError::BadRequest(words));
    }
    let (before, now, who) = (app.now(), Wall::from_ms(form.now_ms), who.to_string());
    let set = within("the clock", app.desk.set_clock(now)).await;
    match &set {
        Ok(_) => app.audit.record(&who, &format!("set the clock from {before} to {now}")),
        Err(error) => app.audit.record(&who, &format!("could not set the clock to {now}: {error}")),
    }
    set.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_a_sentence_in_the_audit() {
        let mut hold = HoldView {
            id: 3,
            cameras: vec!["front".into(), "yard".into()],
            from_ms: 1_795_255_200_000,
            to_ms: 1_795_255_260_000,
            note: "parcel stolen".into(),
            by: "user ada".into(),
            made_ms: 1_795_255_300_000,
            bytes: 1,
        };
        assert_eq!(
            sentence(&hold),
            "3: front, yard from 2026-11-21T10:00:00.000Z to 2026-11-21T10:01:00.000Z: \"parcel stolen\""
        );
        (hold.cameras, hold.note) = (vec![], String::new());
        assert!(sentence(&hold).starts_with("3: all cameras from ") && sentence(&hold).ends_with(".000Z"));
    }
}
