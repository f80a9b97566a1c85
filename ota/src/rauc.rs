//! RAUC and systemd over D-Bus: what the machine asks for → calls, each with a deadline, and what comes of them.
//!
//! Interface: RAUC's reference, "D-Bus API"; systemd's org.freedesktop.systemd1(5).

use crate::error::OtaError;
use crate::slots::{Order, Slot, Tls};
use futures_util::StreamExt;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

/// For every call; RAUC looks at a bundle's signature over a slow network within it.
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// How often progress is read.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

type Dict = HashMap<String, OwnedValue>;

#[zbus::proxy(
    interface = "de.pengutronix.rauc.Installer",
    default_service = "de.pengutronix.rauc",
    default_path = "/"
)]
trait Installer {
    fn install_bundle(&self, source: &str, args: HashMap<&str, Value<'_>>) -> zbus::Result<()>;
    fn inspect_bundle(&self, bundle: &str, args: HashMap<&str, Value<'_>>) -> zbus::Result<Dict>;
    fn info(&self, bundle: &str) -> zbus::Result<(String, String)>;
    fn mark(&self, state: &str, slot: &str) -> zbus::Result<(String, String)>;
    fn get_slot_status(&self) -> zbus::Result<Vec<(String, Dict)>>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn operation(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn last_error(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn progress(&self) -> zbus::Result<(i32, String, i32)>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn compatible(&self) -> zbus::Result<String>;
    #[zbus(signal)]
    fn completed(&self, result: i32) -> zbus::Result<()>;
}

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Systemd {
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
}

/// What a bundle says of itself; RAUC has checked its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// For which boards it is.
    pub compatible: String,
    /// Its version.
    pub version: String,
}

/// How far an installation is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: i32,
    /// What is done now.
    pub words: String,
}

/// How a slot is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The boot loader stays with it.
    Good,
    /// The boot loader leaves it.
    Bad,
    /// It is what boots next.
    Active,
}

/// The two root slots and what runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// It runs.
    pub booted: Slot,
    /// The other one.
    pub other: Slot,
    /// Version that RAUC installed into the one that runs, if it did.
    pub version: Option<String>,
}

/// A bus with RAUC and systemd on it.
#[derive(Debug, Clone)]
pub struct Rauc {
    installer: InstallerProxy<'static>,
    systemd: SystemdProxy<'static>,
}

impl Rauc {
    /// Of a D-Bus address; `None`: the system bus. RAUC itself is started by the bus when it is asked.
    pub async fn connect(address: Option<&str>) -> Result<Self, OtaError> {
        let builder = match address {
            Some(address) => zbus::connection::Builder::address(address)?,
            None => zbus::connection::Builder::system()?,
        };
        let bus = in_time(builder.method_timeout(CALL_WITHIN).build()).await?;
        Ok(Self { installer: InstallerProxy::new(&bus).await?, systemd: SystemdProxy::new(&bus).await? })
    }

    /// What kind of board this is.
    pub async fn compatible(&self) -> Result<String, OtaError> {
        in_time(self.installer.compatible()).await
    }

    /// Which slot runs, and which is to be written. Slots are those that the boot loader knows.
    pub async fn pair(&self) -> Result<Pair, OtaError> {
        let all = in_time(self.installer.get_slot_status()).await?;
        let mut booted = None;
        let mut others = Vec::new();
        for (name, status) in all {
            let word = |key: &str| status.get(key).and_then(text);
            let Some(label) = word("bootname") else { continue };
            let slot = Slot { name, label };
            if word("state").as_deref() == Some("booted") {
                booted = Some((slot, word("bundle.version")));
            } else {
                others.push(slot);
            }
        }
        match (booted, others.as_slice()) {
            (Some((booted, version)), [other]) => Ok(Pair { booted, other: other.clone(), version }),
            (None, _) => Err(OtaError::Rauc(
                "it does not know which slot is booted (rauc.slot= on the kernel's command line)".into(),
            )),
            (Some(_), others) => Err(OtaError::Rauc(format!(
                "its system.conf has {} slots with a bootname, not 2",
                others.len() + 1
            ))),
        }
    }

    /// Looks at a bundle. Nothing is written.
    pub async fn inspect(&self, order: &Order) -> Result<Bundle, OtaError> {
        match in_time(self.installer.inspect_bundle(&order.bundle, args(order))).await {
            Ok(dict) => {
                let update = dict.get("update").and_then(dict_of).unwrap_or_default();
                let word = |key: &str| update.get(key).and_then(text).unwrap_or_default();
                Ok(Bundle { compatible: word("compatible"), version: word("version") })
            }
            // RAUC 1.8, which Debian 12 ships, has only this.
            Err(OtaError::Rauc(words)) if words.contains("InspectBundle") => {
                let (compatible, version) = in_time(self.installer.info(&order.bundle)).await?;
                Ok(Bundle { compatible, version })
            }
            Err(other) => Err(other),
        }
    }

    /// Installs and waits for the end. `Err` is why not, in words.
    pub async fn install(
        &self,
        order: &Order,
        within: Duration,
        progress: &watch::Sender<Progress>,
    ) -> Result<(), String> {
        let begin = async { self.installer.install_bundle(&order.bundle, args(order)).await.map(|()| true) };
        self.follow(begin, within, progress).await.map(drop)
    }

    /// Waits for the end of an installation that was begun before. `Ok(false)`: there is none.
    pub async fn await_end(
        &self,
        within: Duration,
        progress: &watch::Sender<Progress>,
    ) -> Result<bool, String> {
        let begun = async { self.installer.operation().await.map(|now| now != "idle") };
        self.follow(begun, within, progress).await
    }

    async fn follow(
        &self,
        begin: impl Future<Output = zbus::Result<bool>>,
        within: Duration,
        progress: &watch::Sender<Progress>,
    ) -> Result<bool, String> {
        let words = |e: OtaError| e.to_string();
        // both are listened to before it begins, so that no end is missed
        let mut completed = in_time(self.installer.receive_completed()).await.map_err(words)?;
        let mut owner = in_time(self.installer.inner().receive_owner_changed()).await.map_err(words)?;
        if !in_time(begin).await.map_err(words)? {
            return Ok(false);
        }
        let mut tick = interval(PROGRESS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = async {
            loop {
                tokio::select! {
                    signal = completed.next() => {
                        let result = signal.as_ref().and_then(|s| s.args().ok().map(|a| a.result));
                        return result.ok_or_else(|| "the bus was lost while RAUC installed".to_string());
                    }
                    Some(None) = owner.next() => return Err("RAUC ended while it installed".into()),
                    _ = tick.tick() => if let Ok((percent, words, _)) = in_time(self.installer.progress()).await {
                        progress.send_replace(Progress { percent, words });
                    },
                }
            }
        };
        match timeout(within, end).await {
            Ok(Ok(0)) => Ok(true),
            Ok(Ok(code)) => {
                let why = in_time(self.installer.last_error()).await.unwrap_or_default();
                Err(if why.is_empty() { format!("RAUC ended with code {code}") } else { why })
            }
            Ok(Err(why)) => Err(why),
            Err(_) => {
                // It must not make the slot bootable after all, when nobody waits for it any more. The bus starts it again.
                if let Err(why) = in_time(self.systemd.stop_unit("rauc.service", "replace")).await {
                    tracing::error!(%why, "RAUC is late and cannot be stopped");
                }
                Err(format!("RAUC took longer than {} min and was stopped", within.as_secs() / 60))
            }
        }
    }

    /// Tells the boot loader. `slot`: `booted`, `other` or a name.
    pub async fn mark(&self, mark: Mark, slot: &str) -> Result<(), OtaError> {
        let state = match mark {
            Mark::Good => "good",
            Mark::Bad => "bad",
            Mark::Active => "active",
        };
        let (name, words) = in_time(self.installer.mark(state, slot)).await?;
        tracing::info!(slot = name, words, "slot marked {state}");
        Ok(())
    }

    /// Stops every service in order, the recorder among them, which seals what it writes; then starts the board anew.
    pub async fn reboot(&self) -> Result<(), OtaError> {
        in_time(self.systemd.start_unit("reboot.target", "replace-irreversibly")).await.map(drop)
    }
}

async fn in_time<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, OtaError> {
    match timeout(CALL_WITHIN + Duration::from_secs(1), call).await {
        Ok(done) => done.map_err(OtaError::from),
        Err(_) => Err(OtaError::Rauc(format!("no answer within {} s", CALL_WITHIN.as_secs()))),
    }
}

/// What RAUC has to show and to believe where it streams from.
fn args(order: &Order) -> HashMap<&'static str, Value<'static>> {
    let Tls { ca, certificate, key } = &order.tls;
    let files = [("tls-ca", ca), ("tls-cert", certificate), ("tls-key", key)];
    let files =
        files.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?.to_str()?.to_owned())));
    let mut args: HashMap<_, Value<'static>> = files.map(|(name, file)| (name, file.into())).collect();
    let lines: Vec<String> = order.headers.iter().map(|h| h.reveal().clone()).collect();
    if !lines.is_empty() {
        args.insert("http-headers", lines.into());
    }
    args
}

/// A value may be wrapped in a variant more than once.
fn bare<'a>(value: &'a Value<'a>) -> &'a Value<'a> {
    match value {
        Value::Value(inner) => bare(inner),
        other => other,
    }
}

fn text(value: &OwnedValue) -> Option<String> {
    match bare(value) {
        Value::Str(words) => Some(words.to_string()),
        _ => None,
    }
}

fn dict_of(value: &OwnedValue) -> Option<Dict> {
    match bare(value) {
        Value::Dict(dict) => Dict::try_from(dict.try_clone().ok()?).ok(),
        _ => None,
    }
}
