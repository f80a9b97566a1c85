//! [`Typed`] → [`Config`]: every range, reference and name is checked here, and all faults are told at once.

use super::typed::{self, Typed};
use super::*;
use crate::capture::{Kind, LocalCamera};

/// What an address may begin with: the rows of the source table.
pub const SCHEMES: &[&str] = &["rtsp", "file", "synthetic", "v4l2", "csi", "test"];
/// Least quota: room for a few slabs of each stream.
const MIN_QUOTA: u64 = 64 << 20;
/// Least and most footage that may wait in memory.
const MIN_MEMORY: u64 = 4 << 20;
const MAX_MEMORY: u64 = 4 << 30;

pub(super) fn resolve(typed: Typed) -> Result<Config, Vec<Fault>> {
    let mut c = Checker { faults: Vec::new() };
    let mut fault = |text| c.faults.push(Fault { line: None, text });
    let record = recording::record("[record]", &Record::default(), typed.record, &mut fault);
    let keep = recording::keep("[keep]", &Keep::default(), typed.keep, &mut fault);
    let tamper = typed.eye.tamper;
    let cameras = typed
        .camera
        .into_iter()
        .map(|camera| typed::Camera { tamper: camera.tamper.or(Some(tamper)), ..camera });
    let cameras: Vec<Camera> = cameras.filter_map(|camera| c.camera(camera, &record, &keep)).collect();
    let outputs: Vec<Output> = typed.output.into_iter().filter_map(|output| c.output(output)).collect();
    let mut fault = |text| c.fault(text);
    let inputs: Vec<Input> =
        typed.input.into_iter().filter_map(|input| inputs::input(input, &mut fault)).collect();
    let arm = inputs::arm(typed.arm, &mut fault);
    let power = inputs::power(&typed.power, &mut fault);
    inputs::never_with(&outputs, &mut fault);
    let rules = typed.rule.into_iter().enumerate();
    let rules: Vec<Rule> =
        rules.filter_map(|(i, rule)| c.rule(i, rule, &cameras, &inputs, &outputs)).collect();
    c.unique("camera", cameras.iter().map(|x| &x.id));
    c.devices(&cameras);
    c.unique("output", outputs.iter().map(|x| &x.id));
    c.unique("input", inputs.iter().map(|x| &x.id));
    c.unique("rule", rules.iter().map(|x| &x.id));
    let of_outputs = outputs.iter().map(|o| (format!("output \"{}\"", o.id), &o.line));
    let lines: Vec<_> =
        of_outputs.chain(inputs.iter().map(|i| (format!("input \"{}\"", i.id), &i.line))).collect();
    for (i, (what, line)) in lines.iter().enumerate() {
        if let Some((first, _)) = lines[..i].iter().find(|(_, other)| other == line) {
            c.fault(format!("{what}: line {line} is taken by {first}; give it another line"));
        }
    }
    if typed.storage.quota.0 < MIN_QUOTA {
        c.fault(format!("[storage] quota: at least {} MiB are needed", MIN_QUOTA >> 20));
    }
    let sync = typed.storage.sync.0;
    if sync < Duration::from_millis(100) || sync > Duration::from_secs(60) {
        c.fault("[storage] sync: must be between 100ms and 60s".into());
    }
    if !(MIN_MEMORY..=MAX_MEMORY).contains(&typed.storage.memory.0) {
        c.fault("[storage] memory: must be between 4MiB and 4GiB".into());
    }
    if !(0.0..=0.9).contains(&typed.storage.holds) {
        c.fault(format!("[storage] holds: {} is not a share between 0 and 0.9", typed.storage.holds));
    }
    if typed
        .storage
        .volume
        .as_ref()
        .is_some_and(|v| v.len() != 16 || !v.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        c.fault(
            "[storage] volume: an id has 16 hexadecimal digits, as in .nightjar/volume on the disk".into(),
        );
    }
    let listen = typed.web.listen.parse().unwrap_or_else(|_| {
        c.fault(format!(
            "[web] listen: \"{}\" is not an address and port such as 127.0.0.1:8080",
            typed.web.listen
        ));
        std::net::SocketAddr::from(([127, 0, 0, 1], 8080))
    });
    let tls = match typed.web.tls.as_str() {
        "auto" => Tls::Auto,
        "off" => Tls::Off,
        other => {
            c.fault(format!("[web] tls: \"{other}\" is neither \"auto\" nor \"off\""));
            Tls::Auto
        }
    };
    c.score("[eye] min_score", typed.eye.min_score);
    c.score("[eye] event_score", typed.eye.event_score);
    if !(1..=16).contains(&typed.eye.threads) {
        c.fault("[eye] threads: must be between 1 and 16".into());
    }
    if typed.eye.memory.0 < LEAST_EYE_MEMORY {
        c.fault("[eye] memory: must be at least 96MiB: the model alone takes more than half of that".into());
    }
    if typed.eye.detector.as_ref().is_some_and(|program| !program.starts_with('/')) {
        c.fault("[eye] detector: must be a whole path, as in \"/usr/local/bin/my-detector\"".into());
    }
    if !(0.05..=64.0).contains(&typed.eye.cpu) {
        c.fault("[eye] cpu: must be between 0.05 and 64 cores".into());
    }
    let night = super::night::night(&typed.night, &mut |text| c.fault(text));
    let mut fault = |text| c.faults.push(Fault { line: None, text });
    let world = World {
        mqtt: typed.mqtt.and_then(|typed| world::mqtt(typed, &mut fault)),
        webhooks: typed.webhook.into_iter().filter_map(|typed| world::webhook(typed, &mut fault)).collect(),
        ntfy: typed.ntfy.and_then(|typed| world::ntfy(typed, &mut fault)),
        email: typed.email.and_then(|typed| world::email(typed, &mut fault)),
        push: typed.push.map(|typed| world::push(typed, &mut fault)),
    };
    c.unique("webhook", world.webhooks.iter().map(|x| &x.id));
    if !c.faults.is_empty() {
        return Err(c.faults);
    }
    Ok(Config {
        device: Device {
            name: typed.device.name,
            state_dir: typed.device.state_dir,
            timezone: typed.device.timezone,
            socket: typed.device.socket,
            update_agent: typed.device.update_agent,
        },
        storage: Storage {
            path: typed.storage.path,
            quota: typed.storage.quota.0,
            sync,
            memory: typed.storage.memory.0,
            holds: typed.storage.holds,
            volume: typed.storage.volume.map(|v| v.to_ascii_lowercase()),
            endurance: typed.storage.endurance.map(|b| b.0),
        },
        record,
        keep,
        web: Web { listen, tls },
        board: typed.board.name,
        eye: Eye {
            card: typed.eye.card,
            models: typed.eye.models,
            program: typed.eye.program,
            threads: typed.eye.threads,
            memory: typed.eye.memory.0,
            detector: typed.eye.detector,
            cpu: typed.eye.cpu,
            min_score: typed.eye.min_score,
            event_score: typed.eye.event_score,
            tamper: typed.eye.tamper,
        },
        night,
        cameras,
        outputs,
        inputs,
        arm,
        power,
        rules,
        world,
    })
}

/// Below this no eye lives long enough to see anything.
const LEAST_EYE_MEMORY: u64 = 96 << 20;

fn is_local(scheme: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.scheme() == scheme)
}

struct Checker {
    faults: Vec<Fault>,
}

impl Checker {
    fn fault(&mut self, text: String) {
        self.faults.push(Fault { line: None, text });
    }

    fn name(&mut self, what: &str, text: &str) -> Option<Name> {
        Name::new(text).map_err(|e| self.fault(format!("{what}: {e}"))).ok()
    }

    fn unique<'a>(&mut self, what: &str, ids: impl Iterator<Item = &'a Name>) {
        let mut seen = std::collections::HashSet::new();
        for id in ids {
            if !seen.insert(id) {
                self.fault(format!("two {what}s have the id \"{id}\"; every {what} needs its own"));
            }
        }
    }

    fn score(&mut self, what: &str, score: f32) {
        if !(0.0..=1.0).contains(&score) {
            self.fault(format!("{what}: {score} is not between 0 and 1"));
        }
    }

    fn source(&mut self, what: &str, text: String) -> Option<SourceUrl> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        let Some(scheme) = scheme.filter(|s| SCHEMES.contains(&s.as_str())) else {
            self.fault(format!("{what}: the address must begin with one of {}:", SCHEMES.join(": ")));
            return None;
        };
        if scheme == "rtsp" {
            match url::Url::parse(&text) {
                Ok(url) if url.host().is_none() => self.fault(format!("{what}: the address names no host")),
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    self.fault(format!(
                        "{what}: write user and password as keys username and password, not in the address"
                    ));
                    return None;
                }
                Ok(_) => {}
                Err(e) => self.fault(format!("{what}: not an address: {e}")),
            }
        }
        if is_local(&scheme)
            && let Err(why) = LocalCamera::parse(&text)
        {
            self.fault(format!("{what}: {scheme}: {why}"));
            return None;
        }
        Some(SourceUrl { scheme, text })
    }

    /// A device gives its streams to one camera: they come through one process.
    fn devices(&mut self, cameras: &[Camera]) {
        let mut taken: Vec<(LocalCamera, &CameraId)> = Vec::new();
        for camera in cameras {
            let urls = std::iter::once(&camera.main).chain(&camera.sub).filter(|url| is_local(&url.scheme));
            for local in urls.filter_map(|url| LocalCamera::parse(&url.text).ok()) {
                let is_same = |(other, _): &&(LocalCamera, _)| {
                    (other.kind, &other.device) == (local.kind, &local.device)
                };
                match taken.iter().find(is_same) {
                    Some((_, of)) if **of != camera.id && local.kind != Kind::Test => {
                        self.fault(format!("camera \"{}\": {local} is camera \"{of}\" already", camera.id));
                    }
                    _ => taken.push((local, &camera.id)),
                }
            }
            if camera.username.is_some() && is_local(&camera.main.scheme) {
                self.fault(format!(
                    "camera \"{}\": a local camera has no login: leave username and password out",
                    camera.id
                ));
            }
        }
    }

    fn camera(&mut self, camera: typed::Camera, record: &Record, keep: &Keep) -> Option<Camera> {
        let what = format!("camera \"{}\"", camera.id);
        let mut fault = |text| self.faults.push(Fault { line: None, text });
        let record = recording::record(&format!("{what}: record"), record, camera.record, &mut fault);
        let keep = recording::keep(&format!("{what}: keep"), keep, camera.keep, &mut fault);
        if camera.sub.is_none() && keep.thin.is_some_and(|t| t.to == ThinTo::Sub) {
            fault(format!("{what}: keep thin: to = \"sub\", but the camera has no sub stream"));
        }
        if !camera.detect && (record.main != Mode::Continuous || record.sub != Mode::Continuous) {
            fault(format!(
                "{what}: records on motion or events, but detect = false: nothing would ever be recorded"
            ));
        }
        let id = self.name("camera id", &camera.id);
        let main = self.source(&format!("{what}: main"), camera.main);
        let sub = camera.sub.map(|sub| self.source(&format!("{what}: sub"), sub));
        let password = match (camera.password, camera.password_file) {
            (Some(_), Some(_)) => {
                self.fault(format!("{what}: has both password and password_file; keep one"));
                None
            }
            (Some(inline), None) => Some(Password::Inline(inline)),
            (None, Some(file)) => Some(Password::File(file)),
            (None, None) => None,
        };
        if password.is_some() && camera.username.is_none() {
            self.fault(format!("{what}: has a password but no username"));
        }
        let mut fault = |text| self.fault(text);
        let scores = sight::scores(&what, camera.eye, &mut fault);
        let filter = sight::filter(&what, camera.classes, camera.filter, &mut fault);
        let masks = sight::masks(&what, camera.mask, &mut fault);
        let lines = sight::lines(&what, camera.line, &mut fault);
        let zones: Vec<Zone> = camera.zone.into_iter().filter_map(|zone| self.zone(&what, zone)).collect();
        self.unique(&format!("zone of {what}"), zones.iter().map(|z| &z.id));
        let id = id?;
        Some(Camera {
            name: camera.name.unwrap_or_else(|| id.to_string()),
            id,
            main: main?,
            sub: match sub {
                None => None,
                Some(sub) => Some(sub?),
            },
            username: camera.username,
            password,
            detect: camera.detect,
            tamper: camera.tamper.unwrap_or(true),
            scores,
            filter,
            masks,
            lines,
            zones,
            record,
            keep,
        })
    }

    fn zone(&mut self, camera: &str, zone: typed::Zone) -> Option<Zone> {
        let what = format!("{camera}: zone \"{}\"", zone.id);
        let mut fault = |text| self.fault(text);
        sight::polygon(&what, &zone.points, &mut fault);
        let filter = sight::filter(&what, zone.classes, zone.filter, &mut fault);
        Some(Zone { id: self.name(&what, &zone.id)?, points: zone.points, filter })
    }

    fn output(&mut self, output: typed::Output) -> Option<Output> {
        let what = format!("output \"{}\"", output.id);
        let mut either = |key: &str, value: &str, yes: &str, no: &str| {
            if value != yes && value != no {
                self.fault(format!("{what}: {key}: \"{value}\" is neither \"{yes}\" nor \"{no}\""));
            }
            value == yes
        };
        let is_active_low = either("active", &output.active, "low", "high");
        let is_safe_on = either("safe", &output.safe, "on", "off");
        let never_with =
            inputs::names(&format!("{what}: never_with"), output.never_with, &mut |text| self.fault(text));
        let id = self.name("output id", &output.id)?;
        Some(Output {
            id,
            line: output.line,
            is_active_low,
            is_safe_on,
            max_on: output.max_on.0,
            min_off: output.min_off.0,
            cooldown: output.cooldown.0,
            never_with,
        })
    }

    fn rule(
        &mut self,
        index: usize,
        rule: typed::Rule,
        cameras: &[Camera],
        inputs: &[Input],
        outputs: &[Output],
    ) -> Option<Rule> {
        let id = rule.id.unwrap_or_else(|| format!("rule-{}", index + 1));
        let what = format!("rule \"{id}\"");
        let id = self.name("rule id", &id);
        let camera_id = rule.when.camera.as_ref().and_then(|text| self.name(&what, text));
        let camera = camera_id.as_ref().and_then(|wanted| cameras.iter().find(|c| c.id == *wanted));
        match (&camera_id, camera) {
            (Some(wanted), None) => self.fault(format!("{what}: there is no camera \"{wanted}\"")),
            _ => {
                let camera = camera.map(|c| (c.id.as_str(), &c.zones[..], &c.lines[..]));
                sight::rule(&what, &rule.when, camera, &mut |text| self.fault(text));
            }
        }
        let direction = sight::way(&what, rule.when.direction.as_deref(), &mut |text| self.fault(text));
        let circumstances = inputs::circumstances(&what, &rule.when, inputs, &mut |text| self.fault(text));
        self.score(&format!("{what}: score"), rule.when.score);
        // A thing is told once in a while; a button is obeyed each time.
        let usual = if circumstances.input.is_some() { 0 } else { 10_000 };
        let cooldown = rule.cooldown.unwrap_or(value::Span::millis(usual));
        let count = rule.actions.0.len();
        if !(1..=4).contains(&count) {
            self.fault(format!("{what}: \"do\" needs 1 to 4 actions, has {count}"));
        }
        let zone = rule.when.zone.and_then(|text| self.name(&what, &text));
        let line = rule.when.line.and_then(|text| self.name(&what, &text));
        let actions = rule.actions.0.into_iter().filter_map(|a| self.action(&what, a, outputs)).collect();
        Some(Rule {
            id: id?,
            when: When {
                class: rule.when.class,
                camera: camera_id,
                zone,
                line,
                direction,
                moving: rule.when.moving,
                score: rule.when.score,
                dwell: rule.when.dwell.0,
                away: rule.when.away.0,
                circumstances,
            },
            actions,
            cooldown: cooldown.0,
            is_dry_run: rule.dry_run,
        })
    }

    fn action(&mut self, what: &str, action: typed::Action, outputs: &[Output]) -> Option<RuleAction> {
        let mut output = |text: &str| {
            let found = outputs.iter().find(|o| o.id.as_str() == text);
            if found.is_none() {
                self.fault(format!("{what}: there is no output \"{text}\""));
            }
            found.map(|o| o.id.clone())
        };
        let typed::Action { pulse, hold, latch, release, notify, lasting, linger } = action;
        let verbs = [&pulse, &hold, &latch, &release, &notify];
        let is_one = verbs.iter().filter(|verb| verb.is_some()).count() == 1;
        match (pulse, hold, latch, release, notify) {
            (Some(pulse), ..) if is_one && linger.is_none() => Some(RuleAction::Pulse {
                output: output(&pulse)?,
                on_for: lasting.map_or(Duration::from_secs(1), |s| s.0),
            }),
            (_, Some(hold), ..) if is_one && lasting.is_none() => Some(RuleAction::Hold {
                output: output(&hold)?,
                linger: linger.map_or(Duration::from_secs(2), |s| s.0),
            }),
            (_, _, Some(latch), ..) if is_one && lasting.is_none() && linger.is_none() => {
                Some(RuleAction::Latch { output: output(&latch)? })
            }
            (_, _, _, Some(release), _) if is_one && lasting.is_none() && linger.is_none() => {
                Some(RuleAction::Release { output: output(&release)? })
            }
            (.., Some(text)) if is_one && lasting.is_none() && linger.is_none() => {
                Some(RuleAction::Notify { text })
            }
            _ => {
                self.fault(format!(
                    "{what}: an action is {{pulse = \"output\", for = \"3s\"}}, {{hold = \"output\", linger = \"2s\"}}, {{latch = \"output\"}}, \
                     {{release = \"output\"}} or {{notify = \"text\"}}"
                ));
                None
            }
        }
    }
}
