//! TOML text → [`Config`], checked. `ota/ota.toml` shows every key; a test holds it to the defaults.

use crate::error::OtaError;
use crate::fleet::hawkbit::Manner;
use crate::gate::Criteria;
use crate::slots::Tls;
use crate::version::Version;
use nightjar_ddi::{Address, Client, Setup};
use nightjar_types::Secret;
use nightjar_types::config::{Schedule, duration, size};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything the agent is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder of journal, history and floor.
    pub state: PathBuf,
    /// os-release(5) of the running system.
    pub os_release: PathBuf,
    /// RAUC's settings of the running system.
    pub rauc: PathBuf,
    /// The kernel's id of this boot.
    pub boot_id: PathBuf,
    /// D-Bus address; `None`: the system bus.
    pub bus: Option<String>,
    /// The board starts anew by itself as soon as an update is installed.
    pub reboots: bool,
    /// RAUC may take so long.
    pub install_within: Duration,
    /// Nothing older is installed.
    pub floor: Option<String>,
    /// When the fleet's updates may begin; `None`: always.
    pub windows: Option<Schedule>,
    /// Where uploads lie.
    pub uploads: PathBuf,
    /// Bytes of an upload at most.
    pub upload_most: u64,
    /// An upload that pauses for longer is given up.
    pub upload_pause: Duration,
    /// Since boot; then the board goes back.
    pub gate_deadline: Duration,
    /// All must be well for so long.
    pub gate_hold: Duration,
    /// The recorder's socket.
    pub recorder: PathBuf,
    /// Which criteria count.
    pub criteria: Criteria,
    /// The agent's socket.
    pub socket: PathBuf,
    /// The server that has updates for this board.
    pub fleet: Option<Fleet>,
}

/// A hawkBit server.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Where it is.
    pub address: Address,
    /// Who the board is.
    pub login: Login,
    /// Says yes by itself to updates that ask the owner first.
    pub consents: bool,
}

/// Files that say who a board is.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    /// A secret of this board.
    Token(PathBuf),
    /// A secret of many boards.
    GatewayToken(PathBuf),
    /// Certificate and key, PEM.
    Certificate(PathBuf, PathBuf),
}

/// As it is typed.
#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Typed {
    state: TypedState,
    system: TypedSystem,
    install: TypedInstall,
    upload: TypedUpload,
    gate: TypedGate,
    socket: TypedSocket,
    fleet: TypedFleet,
}

macro_rules! section {
    ($name:ident { $($key:ident: $kind:ty = $default:expr),* $(,)? }) => {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        struct $name { $($key: $kind),* }
        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),* }
            }
        }
    };
}

section!(TypedState { folder: PathBuf = "/var/lib/nightjar-ota".into() });
section!(TypedSystem {
    os_release: PathBuf = "/etc/os-release".into(),
    rauc: PathBuf = "/etc/rauc/system.conf".into(),
    boot_id: PathBuf = "/proc/sys/kernel/random/boot_id".into(),
    bus: Option<String> = None,
});
section!(TypedInstall {
    reboot: bool = true,
    within: String = "2h".into(),
    floor: Option<String> = None,
    windows: Vec<String> = Vec::new(),
});
section!(TypedUpload {
    folder: PathBuf = "/var/lib/nightjar-ota/uploads".into(),
    most: String = "2GiB".into(),
    pause: String = "30s".into(),
});
section!(TypedGate {
    deadline: String = "5min".into(),
    hold: String = "15s".into(),
    recorder: PathBuf = "/run/nightjar/board.sock".into(),
    cameras: bool = true,
    slab: bool = true,
    page: bool = true,
    relays: bool = true,
    detector: bool = true,
    version: bool = true,
});
section!(TypedFleet {
    server: Option<String> = None,
    tenant: String = "DEFAULT".into(),
    board: Option<String> = None,
    token_file: Option<PathBuf> = None,
    gateway_token_file: Option<PathBuf> = None,
    certificate: Option<PathBuf> = None,
    key: Option<PathBuf> = None,
    ca_file: Option<PathBuf> = None,
    plain: bool = false,
    consents: bool = false,
});
section!(TypedSocket { listen: PathBuf = "/run/nightjar-ota/agent.sock".into() });

impl Default for Config {
    fn default() -> Self {
        resolve(Typed::default()).expect("the defaults are good")
    }
}

impl Config {
    /// Of a file; without one, the defaults.
    pub fn load(file: Option<&Path>) -> Result<Self, OtaError> {
        let Some(file) = file else { return Ok(Self::default()) };
        let bad = |why: String| OtaError::Config(format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| bad(format!("cannot be read: {e}")))?;
        Self::parse(&text).map_err(|why| OtaError::Config(format!("{}{why}", file.display())))
    }

    /// Of a text; an error begins with `:` and the line where it is known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let typed = toml::from_str(text).map_err(|e| {
            let line = e.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let line = line.map(|n| format!(":{n}")).unwrap_or_default();
            format!("{line}: {}", e.message().trim().replace('\n', "; "))
        })?;
        resolve(typed).map_err(|why| format!(": {why}"))
    }
}

fn resolve(typed: Typed) -> Result<Config, String> {
    let Typed { state, system, install, upload, gate, socket, fleet } = typed;
    let span = |key: &str, text: &str| {
        duration(text)
            .filter(|d| !d.is_zero())
            .ok_or_else(|| format!("{key} = \"{text}\" is no time such as 30s, 5min or 2h"))
    };
    let deadline = span("[gate] deadline", &gate.deadline)?;
    let hold = span("[gate] hold", &gate.hold)?;
    if hold >= deadline {
        return Err("[gate] hold must be shorter than deadline, or nothing is ever good".into());
    }
    if let Some(floor) = install.floor.as_ref().filter(|f| Version::parse(f).is_none()) {
        return Err(format!("[install] floor = \"{floor}\" is no version such as 1.2.0"));
    }
    let most = size(&upload.most).filter(|n| *n > 0);
    let most = most.ok_or_else(|| format!("[upload] most = \"{}\" is no size such as 2GiB", upload.most))?;
    let paths = [
        ("[state] folder", &state.folder),
        ("[upload] folder", &upload.folder),
        ("[gate] recorder", &gate.recorder),
        ("[socket] listen", &socket.listen),
    ];
    if let Some((key, path)) = paths.into_iter().find(|(_, path)| !path.is_absolute()) {
        return Err(format!("{key} = \"{}\" must begin with /", path.display()));
    }
    Ok(Config {
        state: state.folder,
        os_release: system.os_release,
        rauc: system.rauc,
        boot_id: system.boot_id,
        bus: system.bus,
        reboots: install.reboot,
        install_within: span("[install] within", &install.within)?,
        floor: install.floor,
        windows: Schedule::parse("[install] windows", install.windows)?,
        uploads: upload.folder,
        upload_most: most,
        upload_pause: span("[upload] pause", &upload.pause)?,
        gate_deadline: deadline,
        gate_hold: hold,
        recorder: gate.recorder,
        criteria: Criteria {
            cameras: gate.cameras,
            slab: gate.slab,
            page: gate.page,
            relays: gate.relays,
            detector: gate.detector,
            version: gate.version,
        },
        socket: socket.listen,
        fleet: fleet_of(fleet)?,
    })
}

fn fleet_of(typed: TypedFleet) -> Result<Option<Fleet>, String> {
    let TypedFleet { server, board, .. } = &typed;
    let (Some(server), Some(board)) = (server.clone(), board.clone()) else {
        let is_empty = server.is_none() && board.is_none();
        let mend = "[fleet] needs server and board, or neither";
        return if is_empty { Ok(None) } else { Err(mend.into()) };
    };
    let login = match (typed.token_file, typed.gateway_token_file, typed.certificate, typed.key) {
        (Some(file), None, None, None) => Login::Token(file),
        (None, Some(file), None, None) => Login::GatewayToken(file),
        (None, None, Some(certificate), Some(key)) => Login::Certificate(certificate, key),
        _ => {
            return Err(
                "[fleet] needs one login: token_file, gateway_token_file, or certificate and key".into()
            );
        }
    };
    let TypedFleet { tenant, ca_file, plain, consents, .. } = typed;
    let address = Address { server, tenant, board, ca_file, plain };
    Ok(Some(Fleet { address, login, consents }))
}

impl Fleet {
    /// The way to the server, its secrets read; and how RAUC gets at it.
    pub fn open(&self) -> Result<(Client, Manner), OtaError> {
        let secret = |file: &PathBuf| {
            let text = std::fs::read_to_string(file);
            let text = text
                .map_err(|e| OtaError::Config(format!("[fleet] {}: cannot be read: {e}", file.display())))?;
            Ok::<_, OtaError>(Secret::new(text.trim().to_owned()))
        };
        let mut tls = Tls { ca: self.address.ca_file.clone(), ..Tls::default() };
        let login = match &self.login {
            Login::Token(file) => nightjar_ddi::Login::TargetToken(secret(file)?),
            Login::GatewayToken(file) => nightjar_ddi::Login::GatewayToken(secret(file)?),
            Login::Certificate(chain, key) => {
                (tls.certificate, tls.key) = (Some(chain.clone()), Some(key.clone()));
                nightjar_ddi::Login::Certificate { chain: chain.clone(), key: key.clone() }
            }
        };
        let setup = Setup { address: self.address.clone(), login };
        let client = Client::new(&setup).map_err(|e| OtaError::Config(e.to_string()))?;
        Ok((client, Manner { consents: self.consents, tls }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_the_repository_is_the_default() {
        let text = include_str!("../ota.toml");
        assert_eq!(Config::parse(text).unwrap(), Config::default());
        let all: String = text
            .lines()
            .map(|l| l.strip_prefix("# ").filter(|l| l.contains(" = ")).unwrap_or(l).to_owned() + "\n")
            .collect();
        let all = Config::parse(&all).unwrap();
        assert!(
            all.floor.is_some() && all.bus.is_some() && all.windows.is_some() && all.fleet.is_some(),
            "every key is shown"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_the_mend() {
        let wrong = |text| Config::parse(text).unwrap_err();
        assert!(wrong("[gate]\n\ndeadlin = \"1min\"").starts_with(":3: unknown field `deadlin`"));
        assert!(wrong("[gate]\ndeadline = \"soon\"").contains("[gate] deadline = \"soon\" is no time"));
        assert!(wrong("[gate]\nhold = \"10min\"").contains("hold must be shorter"));
        assert!(wrong("[install]\nfloor = \"newest\"").contains("is no version"));
        assert!(wrong("[install]\nwindows = [\"tonight\"]").contains("\"tonight\" is no time of the week"));
        assert!(wrong("[upload]\nmost = \"a lot\"").contains("is no size"));
        assert!(wrong("[fleet]\nserver = \"https://f\"").contains("server and board"));
        let two = "[fleet]\nserver = \"https://f\"\nboard = \"b\"\ntoken_file = \"/t\"\ngateway_token_file = \"/g\"";
        assert!(wrong(two).contains("one login"));
        assert!(wrong("[state]\nfolder = \"here\"").contains("must begin with /"));
        let error = Config::load(Some(Path::new("/proc/nowhere.toml"))).unwrap_err().to_string();
        assert!(error.starts_with("/proc/nowhere.toml: cannot be read"), "{error}");
    }
}
