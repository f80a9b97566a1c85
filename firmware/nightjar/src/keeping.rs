//! Holds, forecast, wear and clock of the library → what the web shows, what needs a person, what the audit keeps.

use nightjar_api::{
    Audit, BudgetView, CLOCK_RANGE_MS, CardView, ChangeView, ClockView, DeskError, ForecastView, HoldForm,
    HoldView, HoldsView, LifeView, StorageView, StreamForecast, WearView,
};
use nightjar_io::clock;
use nightjar_io::storage::{CardLife, Deletion, Held, Hold, HoldFault, Library};
use nightjar_record::HoldError;
use nightjar_record::forecast::{Change, Forecast, Trend};
use nightjar_types::status::StorageStatus;
use nightjar_types::world::ProblemKind;
use nightjar_types::{CameraId, Wall};
use std::io;
use std::time::Duration;

/// A card that lasts shorter than this is told: time enough to buy one and to change it on a day that suits.
const LIFE_IS_SHORT: Duration = Duration::from_secs(90 * 86_400);
/// … or that says of itself that so many per cent are used up.
const LIFE_IS_USED: u8 = 90;

/// Asks the library off the async threads.
pub(crate) async fn ask<T: Send + 'static>(
    library: &Library,
    question: impl FnOnce(&Library) -> Result<T, DeskError> + Send + 'static,
) -> Result<T, DeskError> {
    let library = library.clone();
    let answer = tokio::task::spawn_blocking(move || question(&library)).await;
    answer.unwrap_or_else(|e| Err(DeskError::Storage(e.to_string())))
}

/// A state of the storage in words, with the mend; that is empty when there is nothing to do.
pub(crate) fn words(s: &StorageStatus) -> (String, &'static str) {
    let path = &s.path;
    match s.state {
        "ok" => (format!("Footage is written to {path}."), ""),
        "slow" => (
            format!("Storage is slow: a write to {path} took {} ms.", s.slowest_write_ms),
            "Use a faster card or an SSD.",
        ),
        "missing" => (
            format!("Storage is missing: the disk with the footage is not at {path}."),
            "Plug it in or mount it; recording goes on by itself.",
        ),
        "foreign" => (
            format!("Storage is foreign: at {path} is another volume than the one that is recorded to."),
            "Put the right disk back; recording goes on by itself. To go on with this one delete the file \"volume\" in \
             the state folder (or [storage] volume).",
        ),
        "read-only" => (
            format!("Storage is read-only: {path} cannot be written."),
            "The disk is locked, worn out or was damaged: check it with fsck, else replace it.",
        ),
        "full" => (
            format!("Storage is full: there is no room for footage at {path}."),
            "Let a hold go, delete what other programs put on the disk, or change [storage] quota.",
        ),
        _ => (
            format!("Storage is failing: the disk at {path} does not take footage."),
            "Save what you need from it and replace it; the system's log says more.",
        ),
    }
}

/// What of the storage needs a person. `card` is `None` until it was looked at.
pub(crate) fn problems(
    status: &StorageStatus,
    card: Option<&CardLife>,
    damaged: u64,
    clock: &ClockView,
) -> Vec<(ProblemKind, String)> {
    let mut problems = Vec::new();
    let mut tell = |kind, words| problems.push((kind, words));
    if status.state != "ok" {
        let (words, mend) = words(status);
        // in the other states the error says the same again
        let error = status.error.as_ref().filter(|_| matches!(status.state, "full" | "failing"));
        let words = error.map_or(format!("{words} {mend}"), |e| format!("{words} {mend} ({e})"));
        tell(ProblemKind::Storage, words);
    }
    if let Some(card) = card {
        let name = card.registers.device.as_deref().unwrap_or("the disk");
        if card.life.left.is_some_and(|left| left < LIFE_IS_SHORT) {
            let words = format!("The card wears out: {}. Have a new one ready.", card.life.words);
            tell(ProblemKind::Wear, words);
        }
        if let Some(used) = card.registers.life_used.filter(|used| *used >= LIFE_IS_USED) {
            let words =
                format!("The card ({name}) says that {used} % of its life is used up. Replace it soon.");
            tell(ProblemKind::Wear, words);
        } else if card.registers.is_near_end {
            let words =
                format!("The card ({name}) says that its spare blocks are nearly used up. Replace it soon.");
            tell(ProblemKind::Wear, words);
        }
    }
    if damaged > 0 {
        let path = &status.path;
        let words = format!(
            "{damaged} damaged records were found on the card since the start. \"nightjar check {path}\" says where; if \
             they become more, replace the card."
        );
        tell(ProblemKind::Damage, words);
    }
    if !is_plausible(clock.now_ms) && !clock.is_sure {
        let words = format!(
            "The clock says {}, which cannot be. Set it on the page, under Health, or let NTP reach the recorder.",
            Wall::from_ms(clock.now_ms)
        );
        tell(ProblemKind::Clock, words);
    }
    problems
}

fn is_plausible(now_ms: i64) -> bool {
    CLOCK_RANGE_MS.contains(&now_ms)
}

/// The system's clock.
pub(crate) fn clock_view() -> ClockView {
    view_of(clock::wall(), clock::is_sure())
}

fn view_of(now: Wall, is_sure: bool) -> ClockView {
    let hint = match (is_sure, is_plausible(now.as_ms())) {
        (true, _) => "",
        (false, true) => "Nothing that knows the time has set the clock since the start: it may be off.",
        (false, false) => "The clock was never set. Footage gets its right time when it is.",
    };
    ClockView { now_ms: now.as_ms(), is_sure, hint: hint.into() }
}

/// Sets the clock for a person, unless something that knows better keeps it.
pub(crate) fn set_clock(
    now: Wall,
    is_sure: impl FnOnce() -> bool,
    set: impl FnOnce(Wall) -> io::Result<()>,
) -> Result<(), DeskError> {
    if is_sure() {
        return Err(DeskError::Conflict("the clock is right already: NTP or a person has set it".into()));
    }
    set(now).map_err(|e| match e.kind() {
        io::ErrorKind::PermissionDenied => DeskError::NotPermitted(
            "the system does not let the recorder set its clock; give it CAP_SYS_TIME (in its systemd unit: \
             AmbientCapabilities=CAP_SYS_TIME and no ProtectClock), or set the clock with \"date\" as root"
                .into(),
        ),
        _ => DeskError::NotPermitted(format!("the system does not take this time: {e}")),
    })
}

/// All of the storage, after `uptime_s` seconds of this recorder.
pub(crate) fn storage_view(library: &Library, uptime_s: u64) -> StorageView {
    let status = library.status();
    let (held, forecasts) = (library.held(), library.forecast(clock::wall()));
    let mut all = forecast(forecasts.all);
    if all.trend == "unknown" && held.bytes > 0 {
        all.words = "not known yet: all that was recorded is held".into();
    }
    let CardLife { written, payload, life, registers } = library.card_life(uptime_s);
    let (words, mend) = words(&status);
    StorageView {
        state: status.state,
        words,
        mend: mend.into(),
        quota_bytes: status.quota_bytes,
        used_bytes: status.used_bytes,
        forecast: all,
        streams: (forecasts.streams.into_iter())
            .map(|(id, f)| StreamForecast {
                camera: id.0.to_string(),
                stream: id.1.as_str(),
                forecast: forecast(f),
            })
            .collect(),
        wear: WearView {
            written_bytes: written,
            video_bytes: payload,
            ratio: (payload > 0).then(|| written as f64 / payload as f64),
        },
        life: LifeView { words: life.words, left_s: life.left.map(|left| left.as_secs()) },
        device: CardView {
            name: registers.device,
            size_bytes: registers.size_bytes,
            written_since_boot_bytes: registers.written_since_boot,
            life_used_percent: registers.life_used,
            is_near_end: registers.is_near_end,
        },
        holds: BudgetView {
            count: held.holds.len() as u32,
            used_bytes: held.bytes,
            budget_bytes: held.budget,
        },
        clock: clock_view(),
        damaged_records: library.damaged(),
    }
}

fn forecast(f: Forecast) -> ForecastView {
    let (trend, so_far, change) = match f.trend {
        Trend::Unknown => ("unknown", None, None),
        Trend::Steady => ("steady", None, None),
        Trend::Filling { so_far } => ("filling", Some(so_far.as_secs()), None),
        Trend::Shrinking(change) => ("shrinking", None, Some(change)),
        Trend::Growing(change) => ("growing", None, Some(change)),
    };
    let change = change.map(|Change { stream, times, ago }| ChangeView {
        camera: stream.0.to_string(),
        stream: stream.1.as_str(),
        times: times.is_finite().then_some(times),
        ago_s: ago.as_secs(),
    });
    ForecastView { words: f.words, covers_s: f.covers.as_secs(), trend, so_far_s: so_far, change }
}

/// Every hold and the budget.
pub(crate) fn holds_view(held: &Held) -> HoldsView {
    let holds = held.holds.iter().map(|(hold, bytes)| hold_view(hold, *bytes)).collect();
    HoldsView { holds, used_bytes: held.bytes, budget_bytes: held.budget }
}

fn hold_view(hold: &Hold, bytes: u64) -> HoldView {
    HoldView {
        id: hold.id,
        cameras: hold.cameras.iter().map(ToString::to_string).collect(),
        from_ms: hold.from.as_ms(),
        to_ms: hold.to.as_ms(),
        note: hold.note.clone(),
        by: hold.by.clone(),
        made_ms: hold.made.as_ms(),
        bytes,
    }
}

fn find(library: &Library, id: u32) -> Option<HoldView> {
    library.held().holds.iter().find(|(hold, _)| hold.id == id).map(|(hold, bytes)| hold_view(hold, *bytes))
}

/// Keeps footage on behalf of `by`.
pub(crate) fn hold(library: &Library, form: HoldForm, by: String, now: Wall) -> Result<HoldView, DeskError> {
    let camera = |text: String| CameraId::new(text).map_err(|e| DeskError::Refused(e.to_string()));
    let hold = Hold {
        id: 0,
        cameras: form.cameras.into_iter().map(camera).collect::<Result<_, _>>()?,
        from: Wall::from_ms(form.from_ms),
        to: Wall::from_ms(form.to_ms),
        note: form.note.trim().into(),
        by,
        made: now,
    };
    let id = library.hold(hold).map_err(|fault| match fault {
        HoldFault::Refused(why @ (HoldError::OverBudget { .. } | HoldError::TooMany)) => {
            DeskError::Conflict(why.to_string())
        }
        HoldFault::Refused(why) => DeskError::Refused(why.to_string()),
        HoldFault::Storage(e) => DeskError::Storage(e.to_string()),
    })?;
    find(library, id).ok_or(DeskError::UnknownHold(id)) // somebody let it go at once
}

/// Lets a hold go.
pub(crate) fn release(library: &Library, id: u32) -> Result<HoldView, DeskError> {
    let view = find(library, id).ok_or(DeskError::UnknownHold(id))?;
    match library.release(id) {
        Ok(Some(_)) => Ok(view),
        Ok(None) => Err(DeskError::UnknownHold(id)),
        Err(e) => Err(DeskError::Storage(e.to_string())),
    }
}

/// Tells the audit what was deleted since this was called last: a line a stream and reason.
pub(crate) fn tell_deletions(library: &Library, audit: &Audit) {
    for deletion in library.take_deletions() {
        audit.record("nightjar", &deletion_in_words(&deletion));
    }
}

fn deletion_in_words(d: &Deletion) -> String {
    format!("{}/{}: footage from {} to {} deleted: {}", d.stream.0, d.stream.1, d.from, d.to, d.why)
}

#[cfg(test)]
mod tests;
