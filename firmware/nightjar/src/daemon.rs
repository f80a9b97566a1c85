//! Configuration → stages → one running recorder. Wiring only: starts left to right, stops left to right.

use crate::arming::Arming;
use crate::compile::{Compiled, compile};
use crate::desk::Counter;
use crate::health::Gauges;
use crate::isolation::Reports;
use crate::journal::Journal;
use crate::names::{self, Names};
use crate::night::{Night, Parts, Worker};
use crate::outputs::{self, Outputs};
use crate::own::Own;
use crate::stage::{Books, Seen, Shown, Stage};
use crate::updates::Updates;
use crate::{console, heat, keeping, load, measuring, power, relays, reload, supervisor};
use anyhow::Context;
use nightjar_api::{Audit, Auth, Clock, Options, Server, TlsMode, Web};
use nightjar_io::alarm::{Book, Pictures, World};
use nightjar_io::clock;
use nightjar_io::eye_link::{Eye, EyeConfig, Limits};
use nightjar_io::hub::Hub;
use nightjar_io::sessions::{Sessions, Stream, Vitals};
use nightjar_io::source::{self, Captures, Opening};
use nightjar_io::storage::{Library, Storage};
use nightjar_types::StreamKind;
use nightjar_types::config::{Config, Tls};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

/// Messages from the eye that may wait for the rules: seconds of four cameras. Full, the eye is held up; nothing is dropped.
const SEEN_QUEUE: usize = 256;
/// Commands of people that may wait.
const COMMAND_QUEUE: usize = 16;

/// Why a recorder ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was told to.
    Stop,
    /// Other rules, zones or limits are in force: it is to start again.
    Again,
    /// The mains has been gone for too long.
    PowerOff,
}

/// Runs until SIGTERM, SIGINT, or other rules, zones or limits. On SIGHUP `file`, where the configuration came from, is read again.
pub(crate) fn run(config: Config, file: Option<PathBuf>) -> anyhow::Result<End> {
    // The right to set the clock, where there is one, is the recorder's: the eye is not to inherit it. A kernel that knows
    // no such set has none.
    let _ = rustix::thread::clear_ambient_capability_set();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_name("nightjar")
        .enable_all()
        .build()?;
    let done = runtime.block_on(serve(config, file));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

async fn serve(config: Config, file: Option<PathBuf>) -> anyhow::Result<End> {
    let started = clock::mono();
    let signals = Signals::listen()?; // a signal during the start ends it in good order, after it
    let config = Arc::new(config);
    let (stop, stopped) = watch::channel(false);
    let (again, too_long) = (Arc::new(Notify::new()), Arc::new(Notify::new()));

    // what can be refused is tried before anything moves
    let board = load::board(&config)?;
    tracing::info!(board = board.title(), "this board");
    let state_dir = load::state_dir(&config);
    // the safe levels before all that takes time or may fail
    let lines = outputs::open(&config, &board, relays::note_path(&state_dir))?;
    outputs::at_boot(&config, &board)?.iter().for_each(|words| tracing::warn!("{words}"));
    let listener = nightjar_api::bind(config.web.listen)?;
    let all_streams = names::streams(&config);
    let storage = Storage::open(load::storage(&config)?)?;
    std::fs::create_dir_all(&state_dir)
        .with_context(|| format!("[device] state_dir {}", state_dir.display()))?;
    let wall: Clock = Arc::new(clock::wall);
    let audit = Audit::open(&state_dir, wall.clone())?;
    audit.record("nightjar", &format!("started, version {}", env!("CARGO_PKG_VERSION")));
    let newest = Arc::new(OnceLock::new());
    let book = config.world.push.as_ref().map(|_| Book::open(&state_dir).map(Arc::new)).transpose()?;
    let alarms = load::alarms(&config, pictures(storage.library(), newest.clone()), book.clone())?;
    let (world, couriers) = World::start(alarms);
    let updates = Updates::new(world.clone());
    let left = relays::take_note(&state_dir, &audit);
    let outputs = Outputs::new(&config, &board, lines, audit.clone(), updates.clone())?;
    let arming = Arming::open(&config, &state_dir, clock::wall())?;

    let detected = names::detected(&config);
    let (eye, eye_task, seen) = start_eye(&config, &state_dir, stopped.clone())?;
    let hubs: Vec<Arc<Hub>> = all_streams.iter().map(|_| Arc::default()).collect();
    let (streams, vitals) = open_streams(&config, &storage, &hubs, &eye)?;

    let shown_outputs = outputs.shown();
    let (eased, gone) = (heat::Shown::default(), power::Shown::default());
    let journal = Journal::of(&config, &state_dir)?;
    if let Some(journal) = &journal {
        left.into_iter().for_each(|record| journal.add(record));
    }
    let books = Books { audit: audit.clone(), journal, card: storage.events() };
    let stage = Stage::new(&config, numbers(&config), outputs, arming, books, updates.clone())?;
    let (shown_stage, (commands, commanded)) = (stage.shown(), mpsc::channel(COMMAND_QUEUE));
    let _ = newest.set(stage.shown()); // it is the first
    let night = Night::open(&state_dir, config.night.enabled)
        .with_context(|| format!("[device] state_dir {}", state_dir.display()))?;
    let Compiled { names, sights, .. } = compile(&config)?;
    let parts = Parts {
        config: config.clone(),
        streams: all_streams.clone(),
        watched: detected.clone(),
        names,
        sights,
        library: storage.library(),
        card: storage.events(),
        eye: eye.clone(),
        stage: shown_stage.clone(),
        updates: updates.clone(),
    };
    let worker = config.night.enabled.then(|| Worker::new(night.clone(), parts));
    let (measured_eye, measured_dir) = (eye.clone(), state_dir.clone());
    let gauges = Arc::new(Gauges {
        config: config.clone(),
        board: board.title().to_string(),
        streams: all_streams.clone(),
        vitals,
        detected: detected.iter().map(|s| s.id.0.to_string()).collect(),
        library: storage.library(),
        eye: eye.clone(),
        eased: eased.clone(),
        mains: gone.clone(),
        outputs: shown_outputs.clone(),
        stage: shown_stage.clone(),
        world: world.clone(),
        started,
        card: Default::default(),
        isolation: Mutex::new(Reports::of_machine()),
    });
    let watched_stage = shown_stage.clone();
    let heat = heat::watch(board, Path::new("/sys"), eye.clone(), eased, stopped.clone());
    let desk = Arc::new(Counter {
        config: config.clone(),
        streams: all_streams,
        hubs,
        library: storage.library(),
        eye,
        outputs: shown_outputs,
        stage: shown_stage,
        commands,
        updates: updates.clone(),
        gauges: gauges.clone(),
        clips: Default::default(),
        night,
        own: Own { config: file.clone(), state_dir: state_dir.clone() },
        again: again.clone(),
        world,
        book,
    });
    let (auth, setup_code) = Auth::open(&state_dir, wall.clone())?;
    let options = Options {
        device: config.device.name.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        state_dir,
        tls: match config.web.tls {
            Tls::Auto => TlsMode::Auto,
            Tls::Off => TlsMode::Off,
        },
        names: vec![config.device.name.clone(), format!("{}.local", config.device.name)],
        ips: vec![console::lan_ip()],
        update_agent: config.device.update_agent.clone().into(),
    };
    let board = nightjar_api::bind_board(Path::new(&config.device.socket));
    let web = Web { options, desk, auth: Arc::new(auth), audit: audit.clone(), clock: wall, board };
    let server = Server::open(listener, web)?;
    let address = console::address(server.scheme(), server.addr());

    let heat = tokio::spawn(heat);
    let mains = tokio::spawn({
        let (config, stopped, too_long) = (config.clone(), stopped.clone(), too_long.clone());
        async move { power::watch(&config, watched_stage, gone, &too_long, stopped).await }
    });
    let stage = tokio::spawn(stage.run(seen, commanded, stopped.clone()));
    let night = worker.map(|worker| tokio::spawn(worker.run(stopped.clone())));
    let sessions = Sessions::start(streams, storage.reading())?;
    let supervisor = tokio::spawn(supervisor::run(gauges, updates, audit.clone(), stopped.clone()));
    let mut web_stopped = stopped.clone();
    let web = tokio::spawn(async move {
        let until = async move { drop(web_stopped.wait_for(|stop| *stop).await) };
        server.run(until).await
    });
    tracing::info!("{}", console::summary(&config));
    console::welcome(&address, setup_code.as_ref().map(|c| c.reveal()));
    supervisor::ready();
    let measured = tokio::spawn({
        let (config, stopped, eye) = (config.clone(), stopped.clone(), measured_eye);
        async move { measuring::run(&config, &measured_dir, eye, stopped).await }
    });

    let library = storage.library();
    let reload = || {
        let (file, config, library, audit) = (file.clone(), config.clone(), library.clone(), audit.clone());
        tokio::task::spawn_blocking(move || reload::run(file.as_deref(), &config, &library, &audit))
    };
    let end = wait_for_end(signals, web, reload, &again, &too_long).await?;
    if end == End::Stop {
        supervisor::stopping(); // systemd holds whoever says so to it
    }
    tracing::info!("stopping");
    tokio::task::spawn_blocking(move || sessions.stop()).await?;
    let _ = stop.send(true); // every task below listens
    if let Some(night) = night {
        night.await?;
    }
    stage.await?;
    eye_task.await?;
    heat.await?;
    mains.await?;
    measured.await?;
    supervisor.await?;
    let closed = tokio::task::spawn_blocking(move || storage.stop()).await?;
    keeping::tell_deletions(&library, &audit);
    couriers.stop().await; // the world waits for the card, never the other way round
    closed?;
    audit.record("nightjar", "stopped");
    tracing::info!(uptime_s = clock::mono().since(started).as_secs(), "stopped; everything is on the card");
    Ok(end)
}

/// What the recorder is told from outside.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            hup: signal(SignalKind::hangup())?,
        })
    }
}

/// Until a signal to end comes, other rules, zones or limits do, the mains is gone for too long, or the web server fails.
async fn wait_for_end(
    Signals { mut term, mut int, mut hup }: Signals,
    mut web: JoinHandle<Result<(), nightjar_api::OpenError>>,
    reload: impl Fn() -> JoinHandle<()>,
    again: &Notify,
    too_long: &Notify,
) -> anyhow::Result<End> {
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(End::Stop),
            _ = int.recv() => return Ok(End::Stop),
            () = again.notified() => return Ok(End::Again),
            () = too_long.notified() => return Ok(End::PowerOff),
            _ = hup.recv() => drop(reload()),
            ended = &mut web => return ended?.context("the web server ended").map(|()| End::Stop),
        }
    }
}

type StartedEye = (Eye, JoinHandle<()>, mpsc::Receiver<nightjar_types::eye::FromEye>);

fn start_eye(
    config: &Config,
    state_dir: &Path,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<StartedEye> {
    let mut args = vec![
        "--card".to_string(),
        config.eye.card.clone(),
        "--threads".into(),
        config.eye.threads.to_string(),
        "--cpu".into(),
        config.eye.cpu.to_string(),
        "--choice".into(),
        measuring::file(state_dir).display().to_string(),
    ];
    if let Some(models) = &config.eye.models {
        args.extend(["--models".to_string(), models.clone()]);
    }
    if let Some(detector) = &config.eye.detector {
        args.extend(["--runtime".to_string(), format!("json:{detector}")]);
    }
    args.extend(["--memory".to_string(), (config.eye.memory >> 20).to_string()]);
    let cameras = names::detected(config).iter().map(|s| s.id.0.to_string()).collect();
    let (send, seen) = mpsc::channel(SEEN_QUEUE);
    let min_scores = names::detected(config).iter().map(|s| min_score(config, s.camera)).collect();
    let eye = EyeConfig {
        program: load::eye_program(config)?,
        args,
        min_scores,
        cameras,
        registry: Some(load::state_dir(config).join("gstreamer-registry.bin")),
        limits: Limits::default(),
    };
    let (eye, task) = Eye::start(eye, send, stopped);
    Ok((eye, task, seen))
}

/// An event's picture: the newest that the eye sent, else the one on the card.
fn pictures(library: Library, newest: Arc<OnceLock<Arc<Mutex<Shown>>>>) -> Pictures {
    Arc::new(move |id| {
        let shown = newest.get().map(|shown| shown.lock().unwrap_or_else(PoisonError::into_inner));
        let fresh = shown.and_then(|shown| shown.picture(id));
        let library = library.clone();
        Box::pin(async move {
            match fresh {
                Some(jpeg) => Some(jpeg),
                None => tokio::task::spawn_blocking(move || library.event_picture(id).ok()?).await.ok()?,
            }
        })
    })
}

/// Least confidence that is reported of a camera.
fn min_score(config: &Config, camera: usize) -> f32 {
    config.cameras[camera].scores.min_score.unwrap_or(config.eye.min_score)
}

/// The eye's stream numbers, as cameras of the rules.
fn numbers(config: &Config) -> Vec<Seen> {
    let (all, names) = (names::streams(config), Names::new(config));
    let seen = |s: &names::StreamName| {
        let main = all.iter().position(|m| m.camera == s.camera && m.id.1 == StreamKind::Main)?;
        Some(Seen { camera: names.camera(&s.id.0)?, main })
    };
    names::detected(config).iter().filter_map(seen).collect()
}

fn open_streams(
    config: &Config,
    storage: &Storage,
    hubs: &[Arc<Hub>],
    eye: &Eye,
) -> anyhow::Result<(Vec<Stream>, Vec<Arc<Vitals>>)> {
    let detected = names::detected(config);
    let captures = Captures::new(load::eye_program(config)?);
    let mut streams = Vec::new();
    let mut all_vitals = Vec::new();
    for (n, name) in names::streams(config).into_iter().enumerate() {
        let camera = &config.cameras[name.camera];
        let url = match name.id.1 {
            StreamKind::Main => &camera.main,
            StreamKind::Sub => camera.sub.as_ref().context("a sub stream has an address")?,
        };
        let (id, login) = (camera.id.as_str(), load::login(camera)?);
        let opening = Opening { url, camera: id, login, captures: &captures };
        let source = source::open(&opening)
            .map_err(|why| anyhow::anyhow!("camera \"{}\": {}: {why}", camera.id, name.id.1))?;
        let vitals = Vitals::new(name.id.1);
        all_vitals.push(vitals.clone());
        streams.push(Stream {
            kind: name.id.1,
            camera: camera.id.to_string(),
            source,
            card: storage.sender(n),
            hub: hubs[n].clone(),
            eye: detected.iter().position(|d| d.id == name.id).map(|d| eye.feed(d)),
            vitals,
        });
    }
    Ok((streams, all_vitals))
}
