//! The recorder's socket → streams, stills and answers. Ends well when the socket closes.

use crate::choice;
use crate::cli;
use crate::counters::Counters;
use crate::decoder;
use crate::error::Error;
use crate::inference::{self, Rota};
use crate::looker::Looker;
use crate::model::Model;
use crate::outbox::{self, Outbox};
use crate::still::{Question, Stills};
use crate::stream::{Opening, Stream, Unit};
use crate::watch::{Surroundings, Watch};
use gstreamer as gst;
use nightjar_types::eye::{FromEye, PROTOCOL, ToEye, body_len, decode, encode};
use std::collections::HashMap;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// How long the recorder may take for its `Hello`.
const HELLO: Duration = Duration::from_secs(10);
/// How long the recorder may read nothing while its buffers are full.
const WRITE: Duration = Duration::from_secs(60);
/// Streams of one recorder; more are refused.
const STREAMS: usize = 64;

/// Serves until the socket closes.
pub(crate) fn run(args: &cli::Serve) -> Result<(), Error> {
    end_on_panic();
    let model = Arc::new(Model::load(&args.model)?);
    gst::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
    let socket = socket()?;
    socket.set_write_timeout(Some(WRITE))?;
    // Written here and not by the outbox's thread: the recorder must have it even when the next line ends the process.
    (&socket).write_all(&encode(&FromEye::Hello { protocol: PROTOCOL, model: model.info() })?)?;
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
    let mut service = Service::start(args, &model, outbox)?;
    while let Some(message) = read(&mut reader)? {
        service.take(message)?;
    }
    tracing::info!("the recorder hung up");
    Ok(())
}

/// Standard input as the socket that it must be.
fn socket() -> Result<UnixStream, Error> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr().map_err(|_| Error::NotASocket)?;
    Ok(socket)
}

/// One message; `None` when the recorder has hung up.
fn read(from: &mut impl Read) -> Result<Option<ToEye>, Error> {
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
fn end_on_panic() {
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
    stills: Stills,
    watches: HashMap<u32, Arc<Watch>>,
    streams: HashMap<u32, Stream>,
}

impl Service {
    fn start(args: &cli::Serve, model: &Arc<Model>, outbox: Outbox) -> Result<Self, Error> {
        let rota = Arc::new(Rota::default());
        for number in 0..args.threads {
            let (rota, model) = (rota.clone(), model.clone());
            std::thread::Builder::new().name(format!("model {number}")).spawn(move || match Looker::open(
                &model.runtime,
                &model,
            ) {
                Ok(looker) => inference::run(&rota, looker),
                Err(error) => end(&error),
            })?;
        }
        let stills = Stills::start(outbox.clone())?;
        let around = Surroundings {
            outbox,
            counters: Arc::new(Counters::default()),
            rota,
            labels: model.card.labels.clone().into(),
            spacing: Duration::from_secs(1) / u32::from(args.rate),
        };
        Ok(Self { around, stills, watches: HashMap::new(), streams: HashMap::new() })
    }

    fn take(&mut self, message: ToEye) -> Result<(), Error> {
        match message {
            ToEye::Hello { .. } => tracing::warn!("the recorder said hello twice"),
            ToEye::Open { stream, camera, codec, config, min_score } => {
                self.open(Opening { stream, camera, codec, config }, min_score)?;
            }
            ToEye::Unit { stream, mono, is_key, data } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.push(Unit { mono, is_key, data });
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
                self.around.outbox.send(FromEye::Pong { nonce, counters: self.around.counters.read() });
            }
        }
        Ok(())
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
        )?;
        self.streams.insert(stream, begun);
        Ok(())
    }
}
