//! The web's questions → answers from library, sessions, stage and eye.

use crate::clip::{Asked, Clips};
use crate::health::Gauges;
use crate::keeping;
use crate::names::StreamName;
use crate::night::Night;
use crate::own::Own;
use crate::stage::{Command, Shown, view};
use crate::tampering;
use crate::updates::Updates;
use bytes::Bytes;
use nightjar_api::desk::BoxFuture;
use nightjar_api::{
    ClockView, Desk, DeskError, DeviceKeyView, Draft, EventQuery, Export, ExportQuery, HoldForm, HoldView,
    HoldsView, JobView, LiveFeed, NightForm, NightView, PushForm, PushView, Rehearsal, RulesText, SightView,
    StorageView,
};
use nightjar_io::alarm::{Book, BookError, World};
use nightjar_io::clock;
use nightjar_io::eye_link::Eye;
use nightjar_io::hub::Hub;
use nightjar_io::storage::{Library, StorageError, StreamId};
use nightjar_record::evidence;
use nightjar_rules::{Ask, OutputIx};
use nightjar_types::config::Config;
use nightjar_types::gate::GateReport;
use nightjar_types::status::*;
use nightjar_types::world::{AlarmView, Told};
use nightjar_types::{EventId, StreamKind, Wall};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

/// Everything the web may see.
pub(crate) struct Counter {
    pub(crate) config: Arc<Config>,
    pub(crate) streams: Vec<StreamName>,
    pub(crate) hubs: Vec<Arc<Hub>>,
    pub(crate) library: Library,
    pub(crate) eye: Eye,
    pub(crate) outputs: Arc<Mutex<Vec<OutputStatus>>>,
    pub(crate) stage: Arc<Mutex<Shown>>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) updates: Updates,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) clips: Clips,
    pub(crate) night: Arc<Night>,
    pub(crate) own: Own,
    /// Has the recorder start again.
    pub(crate) again: Arc<Notify>,
    pub(crate) world: World,
    /// `None`: Web Push is off.
    pub(crate) book: Option<Arc<Book>>,
}

/// Asks the library off the async threads.
async fn ask<T: Send + 'static>(
    library: &Library,
    question: impl FnOnce(&Library) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, DeskError> {
    let library = library.clone();
    match tokio::task::spawn_blocking(move || question(&library)).await {
        Ok(answer) => answer.map_err(|e| DeskError::Storage(e.to_string())),
        Err(e) => Err(DeskError::Storage(e.to_string())),
    }
}

impl Counter {
    /// The stream meant: `main` when the camera has no `sub`.
    fn stream(&self, camera: &str, kind: StreamKind) -> Result<usize, DeskError> {
        let of_camera = |s: &&StreamName| s.id.0.as_str() == camera;
        let exact = self.streams.iter().position(|s| of_camera(&s) && s.id.1 == kind);
        let any = || self.streams.iter().position(|s| of_camera(&s));
        exact.or_else(any).ok_or_else(|| DeskError::UnknownCamera(camera.into()))
    }

    /// Changes the book of browsers, off the async threads: it is written to the disk.
    async fn in_book(
        &self,
        change: impl FnOnce(&Book) -> Result<(), BookError> + Send + 'static,
    ) -> Result<(), DeskError> {
        let off =
            || DeskError::Conflict("Web Push is off: add [push] with a contact to the configuration".into());
        let book = self.book.clone().ok_or_else(off)?;
        let changed = tokio::task::spawn_blocking(move || change(&book)).await;
        changed.map_err(|e| DeskError::Storage(e.to_string()))?.map_err(|e| match e {
            BookError::Refused(words) => DeskError::Refused(words),
            other => DeskError::Storage(other.to_string()),
        })
    }

    fn stream_id(&self, camera: &str, kind: StreamKind) -> Result<StreamId, DeskError> {
        self.stream(camera, kind).map(|n| self.streams[n].id.clone())
    }
}

impl Desk for Counter {
    fn cameras(&self) -> Vec<CameraStatus> {
        self.gauges.cameras()
    }

    fn outputs(&self) -> Vec<OutputStatus> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rules(&self) -> Vec<RuleView> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).rules.clone()
    }

    fn rules_text(&self) -> BoxFuture<'_, Result<RulesText, DeskError>> {
        self.ask_own(Own::rules)
    }

    fn sight(&self, camera: &str) -> BoxFuture<'_, Result<SightView, DeskError>> {
        let (known, camera) = (self.stream(camera, StreamKind::Main), camera.to_string());
        let asked = self.ask_own(move |own| own.sight(&camera));
        Box::pin(async move { known.map(|_| asked)?.await })
    }

    fn rehearse(&self, draft: Draft, hours: u32) -> BoxFuture<'_, Result<Rehearsal, DeskError>> {
        let known = self.known(&draft);
        let asked = self.ask_own(move |own| own.rehearse(&draft, hours));
        Box::pin(async move { known.map(|()| asked)?.await })
    }

    fn save(&self, draft: Draft) -> BoxFuture<'_, Result<(), DeskError>> {
        let known = self.known(&draft);
        let saved = self.ask_own(move |own| own.save(&draft));
        Box::pin(async move {
            let saved = known.map(|()| saved)?.await?;
            saved.map_err(|e| DeskError::Storage(format!("the state folder: {e}")))?;
            self.again.notify_one();
            Ok(())
        })
    }

    fn health(&self) -> Health {
        self.gauges.health()
    }

    fn gate(&self, since: Option<Wall>) -> BoxFuture<'_, Result<GateReport, DeskError>> {
        let gauges = self.gauges.clone();
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || gauges.gate(since)).await;
            looked.map_err(|e| DeskError::Storage(e.to_string()))
        })
    }

    fn updates(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    fn live(&self, camera: &str, stream: StreamKind) -> Result<LiveFeed, DeskError> {
        let n = self.stream(camera, stream)?;
        Ok(LiveFeed { messages: self.hubs[n].watch() })
    }

    fn coverage(
        &self,
        camera: &str,
        stream: StreamKind,
        from: Wall,
        to: Wall,
    ) -> BoxFuture<'_, Result<Coverage, DeskError>> {
        let id = self.stream_id(camera, stream);
        Box::pin(async move {
            let id = id?;
            ask(&self.library, move |library| {
                let spans = library.coverage(&id, from, to);
                let spans =
                    spans.into_iter().map(|(a, b)| Span { from_ms: a.as_ms(), to_ms: b.as_ms() }).collect();
                let gap = |g: nightjar_types::Gap| GapView {
                    from_ms: g.from.as_ms(),
                    to_ms: g.to.map(Wall::as_ms),
                    cause: g.cause,
                    words: g.cause.words(),
                };
                Ok(Coverage { spans, gaps: library.gaps(&id, from, to).into_iter().map(gap).collect() })
            })
            .await
        })
    }

    fn events(&self, query: EventQuery) -> BoxFuture<'_, Result<Vec<EventView>, DeskError>> {
        Box::pin(async move {
            ask(&self.library, move |library| {
                let (from, to) = (query.from.unwrap_or(Wall(0)), query.to.unwrap_or(Wall(i64::MAX)));
                let wanted = |e: &nightjar_types::Event| {
                    query.camera.as_ref().is_none_or(|c| e.camera.as_str() == c)
                        && query.label.as_ref().is_none_or(|l| tampering::is_label(&e.label, l))
                };
                let found = library.events(from, to, query.before, query.limit, wanted);
                Ok(found.iter().map(|(event, has_picture)| view(event, *has_picture)).collect())
            })
            .await
        })
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<EventView, DeskError>> {
        Box::pin(async move {
            let found = ask(&self.library, move |library| Ok(library.event(id))).await?;
            found.map(|(event, has)| view(&event, has)).ok_or_else(|| DeskError::UnknownEvent(id.to_string()))
        })
    }

    fn event_snapshot(&self, id: EventId) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let fresh = self.stage.lock().unwrap_or_else(PoisonError::into_inner).picture(id);
        Box::pin(async move {
            if let Some(jpeg) = fresh {
                return Ok(jpeg);
            }
            let picture = ask(&self.library, move |library| library.event_picture(id)).await?;
            picture.ok_or_else(|| {
                DeskError::NoPicture(format!("event {id} has none, or its footage was recycled"))
            })
        })
    }

    fn still(
        &self,
        camera: &str,
        stream: StreamKind,
        at: Option<Wall>,
    ) -> BoxFuture<'_, Result<Bytes, DeskError>> {
        let id = self.stream_id(camera, stream);
        Box::pin(async move {
            let id = id?;
            let name = id.0.clone();
            let at = at.unwrap_or(Wall(i64::MAX));
            let key = ask(&self.library, move |library| library.key_picture(&id, at)).await?;
            let key = key.ok_or_else(|| {
                DeskError::NoPicture(format!("camera \"{name}\" has recorded nothing there yet"))
            })?;
            self.eye.still(&key.params.video, key.data).await.map_err(DeskError::NoPicture)
        })
    }

    fn export(&self, query: ExportQuery) -> BoxFuture<'_, Result<Arc<dyn Export>, DeskError>> {
        let id = self.stream_id(&query.camera, query.stream);
        Box::pin(async move {
            let ExportQuery { from, to, form, .. } = query;
            let asked = Asked { stream: id?, from, to, form };
            Ok(self.clips.export(&self.library, asked).await? as Arc<dyn Export>)
        })
    }

    fn device_key(&self) -> Option<DeviceKeyView> {
        let key = self.library.public_key()?;
        let hex = key.iter().map(|b| format!("{b:02x}")).collect();
        Some(DeviceKeyView { public_key: hex, fingerprint: evidence::fingerprint(&key) })
    }

    fn storage(&self) -> BoxFuture<'_, Result<StorageView, DeskError>> {
        let uptime_s = clock::mono().since(self.gauges.started).as_secs();
        Box::pin(keeping::ask(&self.library, move |library| Ok(keeping::storage_view(library, uptime_s))))
    }

    fn holds(&self) -> BoxFuture<'_, Result<HoldsView, DeskError>> {
        Box::pin(keeping::ask(&self.library, |library| Ok(keeping::holds_view(&library.held()))))
    }

    fn hold(&self, form: HoldForm, who: &str) -> BoxFuture<'_, Result<HoldView, DeskError>> {
        let who = who.to_string();
        Box::pin(keeping::ask(&self.library, |library| keeping::hold(library, form, who, clock::wall())))
    }

    fn release(&self, id: u32) -> BoxFuture<'_, Result<HoldView, DeskError>> {
        Box::pin(keeping::ask(&self.library, move |library| keeping::release(library, id)))
    }

    fn night(&self) -> NightView {
        self.night.view()
    }

    fn look_again(&self, form: NightForm, who: &str) -> BoxFuture<'_, Result<JobView, DeskError>> {
        let (known, who) = (self.stream(&form.camera, StreamKind::Main), who.to_string());
        Box::pin(async move {
            known?;
            let night = self.night.clone();
            keeping::ask(&self.library, move |_| night.ask(form, &who)).await
        })
    }

    fn drop_job(&self, id: u32) -> BoxFuture<'_, Result<JobView, DeskError>> {
        let night = self.night.clone();
        Box::pin(keeping::ask(&self.library, move |_| night.drop_job(id)))
    }

    fn set_clock(&self, now: Wall) -> BoxFuture<'_, Result<ClockView, DeskError>> {
        Box::pin(async move {
            keeping::set_clock(now, clock::is_sure, clock::set)?;
            clock::told();
            tracing::warn!(%now, "a person set the clock");
            Ok(keeping::clock_view())
        })
    }

    fn release_camera(&self, camera: &str) -> Result<(), DeskError> {
        self.stream(camera, StreamKind::Sub)?;
        match self.gauges.detected.iter().position(|detected| detected == camera) {
            Some(n) if self.eye.release(n) => Ok(()),
            _ => Err(DeskError::Conflict(format!("camera \"{camera}\" is in no quarantine"))),
        }
    }

    fn inputs(&self) -> Vec<InputStatus> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).inputs.clone()
    }

    fn arm(&self) -> ArmView {
        let arm = self.stage.lock().unwrap_or_else(PoisonError::into_inner).arm.clone();
        arm.unwrap_or(ArmView { armed: false, since_ms: 0, by: String::new() })
    }

    fn set_armed(&self, armed: bool, who: &str) -> BoxFuture<'_, Result<ArmView, DeskError>> {
        let who = who.to_string();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.command(Command::Arm { armed, who, answer }).await?;
            answered.await.map_err(|_| stopping())
        })
    }

    fn alarms(&self) -> Vec<AlarmView> {
        self.world.views()
    }

    fn test_alarm(&self, alarm: &str, who: &str) -> Result<AlarmView, DeskError> {
        self.world.test(alarm, who).ok_or_else(|| DeskError::UnknownAlarm(alarm.into()))
    }

    fn tell_again(&self, alarm: &str, message: u64) -> Result<Told, DeskError> {
        let told = self.world.again(alarm, message);
        told.ok_or_else(|| DeskError::UnknownAlarm(alarm.into()))?.map_err(DeskError::Conflict)
    }

    fn push(&self) -> Option<PushView> {
        let view = |book: &Arc<Book>| PushView {
            public_key: book.key().public(),
            browsers: book.all().len() as u32,
        };
        self.book.as_ref().map(view)
    }

    fn subscribe(&self, form: PushForm, who: &str) -> BoxFuture<'_, Result<(), DeskError>> {
        let who = who.to_string();
        Box::pin(self.in_book(move |book| book.add(&form.endpoint, &form.keys.p256dh, &form.keys.auth, &who)))
    }

    fn unsubscribe(&self, endpoint: String) -> BoxFuture<'_, Result<(), DeskError>> {
        Box::pin(self.in_book(move |book| book.forget(&endpoint).map(drop)))
    }

    fn test_output(
        &self,
        output: &str,
        ms: u32,
        who: &str,
    ) -> BoxFuture<'_, Result<OutputStatus, DeskError>> {
        let us = u64::from(ms) * 1_000;
        self.move_output(output, who, move |output| Ask::Test { output, us })
    }

    fn switch_off(&self, output: &str, who: &str) -> BoxFuture<'_, Result<OutputStatus, DeskError>> {
        self.move_output(output, who, |output| Ask::Off { output })
    }
}

fn stopping() -> DeskError {
    DeskError::Busy("the recorder is stopping".into())
}

impl Counter {
    /// Asks about the configuration off the async threads; what is wrong with a draft is for the person who made it.
    fn ask_own<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Own) -> anyhow::Result<T> + Send + 'static,
    ) -> BoxFuture<'_, Result<T, DeskError>> {
        let own = self.own.clone();
        Box::pin(async move {
            let asked = tokio::task::spawn_blocking(move || question(&own)).await;
            asked
                .map_err(|e| DeskError::Storage(e.to_string()))?
                .map_err(|e| DeskError::Refused(format!("{e:#}")))
        })
    }

    /// A draft is for a camera that there is.
    fn known(&self, draft: &Draft) -> Result<(), DeskError> {
        match draft {
            Draft::Rules(_) => Ok(()),
            Draft::Sight { camera, .. } => self.stream(camera, StreamKind::Main).map(drop),
        }
    }

    async fn command(&self, command: Command) -> Result<(), DeskError> {
        self.commands.send(command).await.map_err(|_| stopping())
    }

    /// Asks for a move and waits until it is made or refused.
    fn move_output(
        &self,
        output: &str,
        who: &str,
        ask: impl Fn(OutputIx) -> Ask + Send + 'static,
    ) -> BoxFuture<'_, Result<OutputStatus, DeskError>> {
        let n = self.config.outputs.iter().position(|o| o.id.as_str() == output);
        let (name, who) = (output.to_string(), who.to_string());
        Box::pin(async move {
            let n = n.ok_or(DeskError::UnknownOutput(name))?;
            let (answer, answered) = oneshot::channel();
            self.command(Command::Move { ask: ask(OutputIx(n as u8)), who, answer }).await?;
            answered.await.map_err(|_| stopping())?.map_err(DeskError::Busy)?;
            Ok(self.outputs()[n].clone())
        })
    }
}
