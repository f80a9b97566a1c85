//! A configuration and updates → a running world to look at.

use futures_util::FutureExt;
use nightjar_io::alarm::{self, Book, Couriers, Opening, World};
use nightjar_types::config::{Config, Password};
use nightjar_types::status::{
    ArmView, Detections, EventView, Firing, Health, InputStatus, Look, Notice, OutputStatus, Update,
};
use nightjar_types::world::{AlarmView, ProblemKind, ProblemView};
use nightjar_types::{BBox, Detection, EventId, Secret, Wall};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for any of these machines; what is waited for comes at once on an idle one.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const CAMERAS: &str = r#"
[device]
name = "Barn"
[[camera]]
id = "front"
name = "Front door"
main = "synthetic:"
[[output]]
id = "siren"
line = "sim:1"
[[input]]
id = "door"
line = "sim:2"
kind = "door"
"#;

/// A browser's key and secret: those of RFC 8291, section 5.
pub(crate) const BROWSER: [&str; 2] = [
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "BTBZMqHH6r4Tts7J_aSIgg",
];

/// A book of browsers in a folder of its own, which is kept until the test ends.
pub(crate) fn book() -> (TempDir, Arc<Book>) {
    let dir = tempfile::tempdir().unwrap();
    let book = Book::open(dir.path()).unwrap();
    (dir, Arc::new(book))
}

/// Alarms of a configuration, running; the other side may take `deadline` for an answer.
pub(crate) fn start(config: &str, deadline: Duration) -> (World, Couriers) {
    World::start(open(config, None, deadline).unwrap())
}

/// The same with browsers that asked for messages.
pub(crate) fn start_with(config: &str, book: &Arc<Book>, deadline: Duration) -> (World, Couriers) {
    World::start(open(config, Some(book.clone()), deadline).unwrap())
}

pub(crate) fn open(
    config: &str,
    book: Option<Arc<Book>>,
    deadline: Duration,
) -> Result<Vec<(&'static str, alarm::Alarm)>, String> {
    let config = Config::from_toml(&format!("{config}\n{CAMERAS}"), "test").unwrap();
    let reveal = |_: &str, password: &Password| match password {
        Password::Inline(secret) => Ok(secret.clone()),
        Password::File(file) => std::fs::read_to_string(file).map(Secret::new).map_err(|e| e.to_string()),
    };
    let pictures: alarm::Pictures = Arc::new(|_| async { None }.boxed());
    alarm::open(&Opening { config: &config, reveal: &reveal, pictures, book, deadline })
}

pub(crate) fn event(n: u16, is_over: bool) -> Update {
    let start = Wall(1_795_000_000_000_000);
    Update::Event(EventView {
        id: EventId { start, serial: n }.to_string(),
        camera: "front".into(),
        label: "person".into(),
        score: 0.9,
        bbox: BBox { x: 0.1, y: 0.2, w: 0.3, h: 0.4 },
        track: 1,
        start_ms: start.as_ms(),
        end_ms: is_over.then(|| start.as_ms() + 1_000),
        rules: vec![],
        snapshot: false,
        model: "00".into(),
        found_ms: None,
    })
}

/// A device that has run for so long.
pub(crate) fn health(uptime_s: u64) -> Update {
    Update::Health(Health { ok: true, version: "1.2.3".into(), uptime_s, ..Health::default() })
}

pub(crate) fn notice(text: &str) -> Update {
    let (event, camera, input, rule) = (None, Some("front".into()), None, Some("rule-1".into()));
    Update::Notice(Notice { at_ms: 1_795_000_000_000, text: text.into(), event, camera, input, rule })
}

pub(crate) fn arm(armed: bool, since_ms: i64) -> Update {
    Update::Arm(ArmView { armed, since_ms, by: "input key".into() })
}

pub(crate) fn input(active: bool, changed_ms: Option<i64>) -> Update {
    Update::Input(InputStatus { id: "door".into(), line: "sim:2".into(), kind: "door", active, changed_ms })
}

/// The siren, moved at a moment of its own.
pub(crate) fn output(on: bool, cause: &str, error: Option<&str>) -> Update {
    Update::Output(OutputStatus {
        id: "siren".into(),
        line: "sim:1".into(),
        driver: "sim".into(),
        on,
        safe_on: false,
        until_ms: None,
        cause: Some(cause.into()),
        moved_ms: Some(1_795_000_000_000 + cause.len() as i64),
        moves: 1,
        error: error.map(str::to_string),
    })
}

pub(crate) fn firing() -> Update {
    Update::Fired(Firing {
        at_ms: 1_795_000_000_000,
        rule: "siren".into(),
        why: "rule siren: input door".into(),
        camera: None,
        input: Some("door".into()),
        event: None,
        dry_run: false,
    })
}

pub(crate) fn problem(is_over: bool) -> Update {
    Update::Problem(ProblemView {
        kind: ProblemKind::Camera,
        subject: "front".into(),
        words: "Front door: It cannot be reached".into(),
        start_ms: 1_795_000_000_000,
        end_ms: is_over.then_some(1_795_000_060_000),
    })
}

pub(crate) fn detections(frame: u64) -> Update {
    let bbox = BBox { x: 0.1, y: 0.2, w: 0.3, h: 0.4 };
    let look = Look { frame, inference_ms: 40.0, latency_ms: 80.0, fps: 5.0 };
    Update::Detections(Detections {
        camera: "front".into(),
        at_ms: 1_795_000_000_000,
        inferred: true,
        boxes: vec![Detection { label: "person".into(), score: 0.9, bbox, track: Some(1) }],
        look,
    })
}

/// Waits until the only alarm is as wanted.
pub(crate) async fn until(world: &World, what: &str, wanted: impl Fn(&AlarmView) -> bool) -> AlarmView {
    let found = async {
        loop {
            let view = world.views().remove(0);
            if wanted(&view) {
                return view;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(what, found).await
}

/// What a future gives, or a failed test.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {} s: {what}", PATIENCE.as_secs()),
    }
}
