//! `false_eye serve --plan FILE --seed N`: says hello as an eye does, answers for a moment, then misbehaves. Which way comes from
//! the seed and from how often it was started, which it counts in FILE; it writes there what it is about to do.

use nightjar_tests::seed::Seed;
use nightjar_types::eye::{
    EyeCounters, FromEye, ModelInfo, PROTOCOL, Sandbox, Stages, ToEye, body_len, decode, encode,
};
use nightjar_types::{BBox, Detection, Mono};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::time::Duration;

type Misdeed = fn(&mut Stage) -> !;

/// Every way to misbehave, by its name in the table of results.
const MISDEEDS: &[(&str, Misdeed)] = &[
    ("random bytes", |s| {
        let noise = s.seed.bytes(4096);
        s.raw(&noise);
        s.wait()
    }),
    ("a length of 4 GiB", |s| {
        s.raw(&u32::MAX.to_le_bytes());
        s.wait()
    }),
    ("half a message, then gone", |s| {
        let whole = s.frame(0, s.mono, 0.5);
        s.raw(&whole[..whole.len() / 2]);
        exit(0)
    }),
    ("half a message, then silence", |s| {
        let whole = s.frame(0, s.mono, 0.5);
        s.raw(&whole[..whole.len() / 2]);
        s.wait()
    }),
    ("a stream that is none", |s| {
        let n = s.seed.between(2, 1 << 32) as u32;
        let said = s.frame(n, s.mono, 0.5);
        s.raw(&said);
        s.wait()
    }),
    ("a box that is no number", |s| {
        let said = s.frame(0, s.mono, f32::NAN);
        s.raw(&said);
        s.wait()
    }),
    ("a box without end", |s| {
        let said = s.frame(0, s.mono, f32::INFINITY);
        s.raw(&said);
        s.wait()
    }),
    ("a picture of tomorrow", |s| {
        let said = s.frame(0, Mono(u64::MAX), 0.5);
        s.raw(&said);
        s.wait()
    }),
    ("words of 7 MiB", |s| {
        s.say(&FromEye::Decoder { stream: 0, element: Err("x".repeat(7 << 20)) });
        s.wait()
    }),
    ("a snapshot that is none", |s| {
        let jpeg = s.seed.bytes(900).into();
        s.say(&FromEye::Snapshot { stream: 0, track: 1, mono: s.mono, score: 0.5, jpeg });
        s.wait()
    }),
    ("an answer to no question", |s| {
        s.say(&FromEye::Pong { nonce: u64::MAX, counters: EyeCounters::default(), busy: Vec::new() });
        s.wait()
    }),
    ("hello again", |s| {
        s.hello(PROTOCOL);
        s.wait()
    }),
    ("a flood", |s| {
        let said = s.frame(0, s.mono, 0.5);
        loop {
            s.raw(&said);
        }
    }),
    ("a byte at a time", |s| {
        let said = s.frame(0, s.mono, 0.5);
        loop {
            for b in &said {
                s.raw(&[*b]);
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }),
    ("closes its socket and lives", |s| {
        let _ = s.socket.shutdown(std::net::Shutdown::Both);
        s.wait()
    }),
    ("an exit code", |s| exit([0, 1, 2, 3, 4, 5, 101][s.seed.between(0, 7) as usize])),
    ("a line of 3 MiB, then code 3", |_| {
        eprintln!("nightjar-eye: {}", "y".repeat(3 << 20));
        exit(3)
    }),
    ("ten thousand lines", |s| {
        for n in 0..10_000 {
            eprintln!("line {n}");
        }
        let _ = s.socket.shutdown(std::net::Shutdown::Both);
        exit(1)
    }),
    ("a crash", |_| std::process::abort()),
    ("another protocol", |_| unreachable!("it is said at once")),
    ("gone before hello", |_| unreachable!("it is gone at once")),
];

struct Stage {
    socket: UnixStream,
    seed: Seed,
    mono: Mono,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let value = |key: &str| {
        words.iter().position(|w| w == key).and_then(|at| words.get(at + 1)).expect("both options")
    };
    let plan = value("--plan");
    let lines = std::fs::read_to_string(plan).unwrap_or_default();
    let start = lines.lines().count() as u64;
    let mut seed = Seed::new(value("--seed").parse::<u64>().expect("a number") ^ (start << 32));
    // Each once before the seed chooses.
    let chosen = if start < MISDEEDS.len() as u64 { start } else { seed.between(0, MISDEEDS.len() as u64) };
    let (name, misdeed) = MISDEEDS[chosen as usize];
    std::fs::write(plan, format!("{lines}{name}\n")).expect("the plan can be written");
    let socket =
        UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().expect("the recorder's socket"));
    let mut stage = Stage { socket, seed, mono: Mono(0) };
    match name {
        "gone before hello" => exit(0),
        "another protocol" => {
            stage.hello(PROTOCOL + 1);
            stage.wait()
        }
        _ => {}
    }
    stage.hello(PROTOCOL);
    let good = stage.seed.between(1, 8);
    for _ in 0..good {
        stage.answer();
    }
    misdeed(&mut stage)
}

impl Stage {
    fn hello(&mut self, protocol: u16) {
        let model = ModelInfo { card: "none".into(), sha256: "00".into(), labels: vec!["person".into()] };
        self.say(&FromEye::Hello { protocol, model, sandbox: Sandbox::default() });
    }

    /// Takes in messages up to the next unit, and answers as an eye does.
    fn answer(&mut self) {
        loop {
            let mut prefix = [0; 4];
            if self.socket.read_exact(&mut prefix).is_err() {
                exit(0);
            }
            let mut body = vec![0; body_len(prefix).expect("the recorder keeps to the protocol")];
            self.socket.read_exact(&mut body).expect("the recorder keeps to the protocol");
            match decode(&body).expect("the recorder keeps to the protocol") {
                ToEye::Ping { nonce } => {
                    self.say(&FromEye::Pong { nonce, counters: EyeCounters::default(), busy: Vec::new() });
                }
                // Misdeeds speak of stream 0.
                ToEye::Unit { stream: 0, mono, .. } => {
                    self.mono = mono;
                    let said = self.frame(0, mono, 0.25);
                    return self.raw(&said);
                }
                _ => {}
            }
        }
    }

    fn frame(&self, stream: u32, mono: Mono, x: f32) -> Vec<u8> {
        let bbox = BBox { x, y: 0.1, w: 0.1, h: 0.2 };
        let detections = vec![Detection { label: "person".into(), score: 0.9, bbox, track: Some(1) }];
        let frame = FromEye::Frame {
            stream,
            mono,
            inferred: true,
            inference_ms: 1.0,
            motion: 0.1,
            stages: Stages::default(),
            detections,
        };
        encode(&frame).expect("it fits")
    }

    fn say(&mut self, message: &FromEye) {
        let bytes = encode(message).expect("it fits");
        self.raw(&bytes);
    }

    /// A recorder that has hung up is what all of this is for.
    fn raw(&mut self, bytes: &[u8]) {
        if self.socket.write_all(bytes).is_err() {
            exit(0);
        }
    }

    /// Does nothing until it is ended.
    fn wait(&self) -> ! {
        loop {
            std::thread::park();
        }
    }
}
