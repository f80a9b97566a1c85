//! The recorder's socket → streams, stills and answers. Ends well when the socket closes.

use crate::choice;
use crate::clock::Stopwatch;
use crate::counters::Counters;
use crate::decoder;
use crate::error::Error;
use crate::governor::Governor;
use crate::inference::{self, Rota};
use crate::looker::{self, Looker};
use crate::marks::Marks;
use crate::model::Model;
use crate::outbox::{self, Outbox};
use crate::still::{Question, Stills};
use crate::stream::{Opening, Stream, Unit};
use crate::watch::{Surroundings, Watch};
use crate::{cli, sandbox};
use nightjar_types::eye::{Ease, FromEye, PROTOCOL, ToEye, body_len, decode, encode};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long the recorder may take for its `Hello`.
const HELLO: Duration = Duration::from_secs(10);
/// How long the recorder may read nothing while its buffers are full.
const WRITE: Duration = Duration::from_secs(60);
/// Niceness once it is ready.
const NICE: i32 = 10;
/// Streams of one recorder; more are refused.
const STREAMS: usize = 64;

/// Serves until the socket closes.
pub(crate) fn run(args: &cli::Serve) -> Result<(), Error> {
    end_on_panic();
    let mut model = Model::load(&args.model)?;
    let socket = socket()?;
    let (lookers, decoders) = prepare(args, &model);
    let (lookers, ()) = (lookers?, decoders?);
    model.bytes = Vec::new(); // the lookers hold what they need of the file
    // From now on recording goes first. Every later thread has it from this one.
    let _ = rustix::process::nice(NICE); // a kernel that refuses is no reason not to see
    // All that reads files, starts programs or opens devices by itself is done; no byte of a camera has come.
    let sandbox = sandbox::close(args.memory.map(|mib| mib << 20), &plugin_folders());
    tracing::info!(in_force = sandbox.in_force.join(", "), missing = sandbox.missing.join("; "), "sandbox");
    socket.set_write_timeout(Some(WRITE))?;
    // Written here and not by the outbox's thread: the recorder must have it even when the next line ends the process.
    (&socket).write_all(&encode(&FromEye::Hello { protocol: PROTOCOL, model: model.info(), sandbox })?)?;
    socket.set_read_timeout(Some(HELLO))?;
    let writer = socket.try_clone()?;
    let mut reader = BufReader::with_capacity(256 << 10, socket);
    match read(&mut reader)? {
        Some(ToEye::Hello { protocol: PROTOCOL }) => {}
        Some(ToEye::Hello { protocol }) => {
            return Err(Error::Protocol { theirs: protocol, ours: PROTOCOL });
        }
        Some(_) => return Err(Error::Protocol { theirs: 0, ours: PROTOCOL }),
        None => return Ok(()),
    }
    reader.get_ref().set_read_timeout(None)?;
    let (outbox, queue) = Outbox::new();
    std::thread::Builder::new().name("outbox".into()).spawn(move || {
        if let Err(error) = outbox::write(writer, &queue)
            && !is_hang_up(&error)
        {
            end(&error);
        }
    })?;
    if let Some(measured) = &model.measured {
        decoder::prefer(choice::decoder_order(measured));
        outbox.send(FromEye::Measured(measured.clone()));
    }
    tracing::info!(card = %model.card.id, runtime = %model.runtime, threads = args.threads, "serving");
    let mut service = Service::start(args, &model, lookers, outbox)?;
    while let Some(message) = read(&mut reader)? {
        service.take(message)?;
    }
    tracing::info!("the recorder hung up");
    Ok(())
}

/// Models and decoders get ready at the same time: together they are most of what a restart costs. No thread is left over.
fn prepare(args: &cli::Serve, model: &Model) -> (Result<Vec<Looker>, Error>, Result<(), Error>) {
    std::thread::scope(|scope| {
        let open = || Looker::open(&model.runtime, model);
        let opening: Vec<_> = (0..args.threads).map(|_| scope.spawn(open)).collect();
        let decoders = decoder::prepare();
        // A thread that panicked has ended the process.
        let lookers = opening.into_iter().filter_map(|thread| thread.join().ok()).collect();
        (lookers, decoders)
    })
}

/// Where GStreamer and the loader look for code besides the system's folders.
fn plugin_folders() -> Vec<PathBuf> {
    const NAMES: [&str; 5] = [
        "GST_PLUGIN_PATH",
        "GST_PLUGIN_PATH_1_0",
        "GST_PLUGIN_SYSTEM_PATH",
        "GST_PLUGIN_SYSTEM_PATH_1_0",
        "LD_LIBRARY_PATH",
    ];
    let values = NAMES.iter().filter_map(std::env::var_os);
    values
        .flat_map(|value| std::env::split_paths(&value).collect::<Vec<_>>())
        .filter(|p| p.is_absolute())
        .collect()
}

/// Standard input as the socket that it must be.
pub(crate) fn socket() -> Result<UnixStream, Error> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr().map_err(|_| Error::NotASocket)?;
    Ok(socket)
}

/// One message; `None` when the recorder has hung up.
pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, Error> {
    let mut prefix = [0; 4];
    let whole = from.read_exact(&mut prefix).and_then(|()| {
        let len = body_len(prefix).map_err(std::io::Error::other)?;
        let mut body = vec![0; len];
        from.read_exact(&mut body)?;
        Ok(body)
    });
    match whole {
        Ok(body) => Ok(Some(decode(&body)?)),
        Err(e) if is_closed(e.kind()) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn is_closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn is_hang_up(error: &Error) -> bool {
    matches!(error, Error::Socket(e) if is_closed(e.kind()))
}

/// A thread that panics takes the process with it: the recorder starts a whole one, instead of keeping half of one.
pub(crate) fn end_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(101);
    }));
}

/// Ends the process from a thread other than the main one.
fn end(error: &Error) -> ! {
    eprintln!("nightjar-eye: {error}");
    std::process::exit(i32::from(error.exit_code()))
}

struct Service {
    around: Surroundings,
    marks: Arc<Marks>,
    stills: Stills,
    /// No stream is decoded.
    rests: bool,
    watches: HashMap<u32, Arc<Watch>>,
    streams: HashMap<u32, Stream>,
}

impl Service {
    fn start(args: &cli::Serve, model: &Model, lookers: Vec<Looker>, outbox: Outbox) -> Result<Self, Error> {
        let (rota, marks) = (Arc::new(Rota::default()), Marks::on_stdout());
        let governor = Arc::new(Governor::new(args.cpu, Duration::from_secs(1) / u32::from(args.rate)));
        for (number, looker) in lookers.into_iter().enumerate() {
            let (rota, governor, marks) = (rota.clone(), governor.clone(), marks.clone());
            let thread = std::thread::Builder::new().name(format!("model {number}"));
            thread.spawn(move || end(&inference::run(&rota, looker, &governor, &marks)))?;
        }
        let stills = Stills::start(outbox.clone(), marks.clone())?;
        let around = Surroundings {
            outbox,
            counters: Arc::new(Counters::default()),
            rota,
            labels: model.card.labels.clone().into(),
            inputs: looker::inputs(model),
            governor,
        };
        Ok(Self { around, marks, stills, rests: false, watches: HashMap::new(), streams: HashMap::new() })
    }

    fn take(&mut self, message: ToEye) -> Result<(), Error> {
        match message {
            ToEye::Hello { .. } => tracing::warn!("the recorder said hello twice"),
            ToEye::Open { stream, camera, codec, config, min_score } => {
                self.open(Opening { stream, camera, codec, config }, min_score)?;
            }
            ToEye::Unit { stream, mono, is_key, data } => {
                let came = Stopwatch::start();
                if let Some(stream) = self.streams.get_mut(&stream).filter(|_| !self.rests) {
                    stream.push(Unit { mono, is_key, data, came });
                }
            }
            ToEye::Skip { stream } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.skip();
                }
            }
            ToEye::Close { stream } => {
                self.streams.remove(&stream);
                if let Some(watch) = self.watches.get(&stream) {
                    watch.close();
                }
            }
            ToEye::Still { request, codec, config, data } => {
                self.stills.ask(Question { request, codec, config, data });
            }
            ToEye::Ping { nonce } => {
                let counters = self.around.counters.read(&self.around.governor);
                self.around.outbox.send(FromEye::Pong { nonce, counters, busy: self.marks.busy() });
            }
            ToEye::Ease { level } => self.ease(level),
        }
        Ok(())
    }

    /// Streams that rest begin again at a key frame.
    fn ease(&mut self, level: Ease) {
        tracing::info!(level = level.as_str(), "eased");
        self.around.governor.ease(level);
        self.rests = level == Ease::Stills;
        if self.rests {
            self.streams.values_mut().for_each(Stream::skip);
            self.watches.values().for_each(|watch| watch.rest());
        }
    }

    fn open(&mut self, opening: Opening, min_score: f32) -> Result<(), Error> {
        let stream = opening.stream;
        if !self.watches.contains_key(&stream) && self.watches.len() >= STREAMS {
            let why = format!("{STREAMS} streams are open already");
            self.around.outbox.send(FromEye::Decoder { stream, element: Err(why) });
            return Ok(());
        }
        let watch = self.watches.entry(stream).or_insert_with(|| {
            let watch = Arc::new(Watch::new(stream, self.around.clone()));
            self.around.rota.add(watch.clone());
            watch
        });
        // The old thread ends when its queue is dropped; its late pictures carry an old generation.
        self.streams.remove(&stream);
        let generation = watch.open(if min_score.is_finite() { min_score.clamp(0.0, 1.0) } else { 0.5 });
        let begun = Stream::start(
            opening,
            watch.clone(),
            generation,
            self.around.outbox.clone(),
            self.around.counters.clone(),
            &self.marks,
        )?;
        self.streams.insert(stream, begun);
        Ok(())
    }
}
