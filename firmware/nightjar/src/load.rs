//! Files → [`Config`]: the configuration itself and what it names: password files, the eye's program.

use crate::arming::LocalTime;
use crate::compile::compile;
use crate::{outputs, own};
use anyhow::{Context, bail};
use nightjar_board::Board;
use nightjar_io::alarm::{self, Alarm, Book, Opening, Pictures};
use nightjar_io::device_key::DeviceKey;
use nightjar_io::source::Login;
use nightjar_io::storage::{Options, StorageError, StreamPlan};
use nightjar_types::config::{Camera, Config, Password, Written};
use nightjar_types::{Secret, StreamKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The configuration in `file`, or the built-in defaults; with what was saved on the page in place of parts of it.
pub(crate) fn config(file: Option<&Path>) -> anyhow::Result<Config> {
    let Some(file) = file else { return Ok(Config::default()) };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
    own::read(&text, &file.display().to_string())
}

/// Folder for users, keys and audit.
pub(crate) fn state_dir(config: &Config) -> PathBuf {
    state_folder(config.device.state_dir.as_deref(), &config.storage.path)
}

/// The same, of a configuration that is not checked yet.
pub(crate) fn state_dir_of(written: &Written) -> PathBuf {
    let (state_dir, storage) = written.folders();
    state_folder(state_dir, storage)
}

fn state_folder(state_dir: Option<&str>, storage: &str) -> PathBuf {
    state_dir.map_or_else(|| Path::new(storage).join(".nightjar/state"), PathBuf::from)
}

/// The storage as configured.
pub(crate) fn storage(config: &Config) -> anyhow::Result<Options> {
    let plan = |s: crate::names::StreamName| {
        let camera = &config.cameras[s.camera];
        let record = &camera.record;
        let mode = if s.id.1 == StreamKind::Main { record.main } else { record.sub };
        let (pre_roll, post_roll, keep) = (record.pre_roll, record.post_roll, camera.keep.clone());
        StreamPlan { id: s.id, mode, pre_roll, post_roll, keep }
    };
    let streams = crate::names::streams(config).into_iter().map(plan).collect();
    let storage = &config.storage;
    let state = state_dir(config);
    let made = std::fs::create_dir_all(&state);
    if config.device.state_dir.is_none() {
        made.map_err(|source| StorageError::NotWritable { path: PathBuf::from(&storage.path), source })?;
    } else {
        made.with_context(|| format!("[device] state_dir {}", state.display()))?;
    }
    // a state folder on the volume itself cannot remember which volume that is
    let known = config.device.state_dir.as_ref().map(|_| state.join("volume"));
    Ok(Options {
        sync: storage.sync,
        memory: storage.memory,
        holds: storage.holds,
        volume: storage.volume.clone(),
        known,
        endurance: storage.endurance,
        key: Arc::new(DeviceKey::open(&state)?),
        ..Options::folder(Path::new(&storage.path), storage.quota, streams)
    })
}

/// Tries everything that a start would refuse in a configuration, reads the files that it names and opens nothing else. Gives back
/// what to take care of.
pub(crate) fn tried(config: &Config) -> anyhow::Result<Vec<String>> {
    compile(config)?;
    let care = outputs::at_boot(config, &board(config)?)?;
    LocalTime::of(config)?;
    let faults = faults_of_files(config);
    if faults.is_empty() { Ok(care) } else { bail!(faults.join("\n")) }
}

/// Files with passwords, keys, tokens and certificates that a start would ask for in vain, each with its key and the mend.
fn faults_of_files(config: &Config) -> Vec<String> {
    let mut faults: Vec<String> =
        config.cameras.iter().filter_map(|camera| login(camera).err()).map(|e| format!("{e:#}")).collect();
    let reveal = |what: &str, password: &Password| secret(what, password).map_err(|e| format!("{e:#}"));
    let pictures: Pictures = Arc::new(|_| Box::pin(async { None }));
    faults.extend(alarm::faults(&Opening {
        config,
        reveal: &reveal,
        pictures,
        book: None,
        deadline: alarm::DEADLINE,
    }));
    faults
}

/// The board: as configured, or the one that this is.
pub(crate) fn board(config: &Config) -> anyhow::Result<Board> {
    if config.board != "auto" {
        return Ok(Board::by_id(&config.board)?);
    }
    let model = std::fs::read_to_string("/proc/device-tree/model").ok();
    Ok(Board::detect(model.as_deref())?)
}

/// A camera's user name and password. Its password file is read now.
pub(crate) fn login(camera: &Camera) -> anyhow::Result<Option<Login>> {
    let Some(username) = camera.username.clone() else { return Ok(None) };
    let password = match &camera.password {
        None => Secret::new(String::new()),
        Some(password) => secret(&format!("camera \"{}\": password", camera.id), password)?,
    };
    Ok(Some(Login { username, password }))
}

/// The secret behind a key of the configuration, which `what` names. Its file is read now.
pub(crate) fn secret(what: &str, secret: &Password) -> anyhow::Result<Secret<String>> {
    match secret {
        Password::Inline(secret) => Ok(secret.clone()),
        Password::File(file) => {
            let text = std::fs::read_to_string(file);
            let text = text.map_err(|e| anyhow::anyhow!("{what}_file {file}: {}", alarm::unreadable(&e)))?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() {
                bail!("{what}_file {file}: it is empty; write the secret into it");
            }
            Ok(Secret::new(text.to_string()))
        }
    }
}

/// Every configured alarm. Files that it names are read now.
pub(crate) fn alarms(
    config: &Config,
    pictures: Pictures,
    book: Option<Arc<Book>>,
) -> anyhow::Result<Vec<(&'static str, Alarm)>> {
    let reveal = |what: &str, password: &Password| secret(what, password).map_err(|e| format!("{e:#}"));
    let opening = Opening { config, reveal: &reveal, pictures, book, deadline: alarm::DEADLINE };
    alarm::open(&opening).map_err(anyhow::Error::msg)
}

/// `nightjar-eye`: as configured, or beside this program.
pub(crate) fn eye_program(config: &Config) -> anyhow::Result<PathBuf> {
    if let Some(program) = &config.eye.program {
        let program = PathBuf::from(program);
        if !program.is_file() {
            bail!("[eye] program {}: there is no such file", program.display());
        }
        return Ok(program);
    }
    let here = std::env::current_exe().context("cannot find out where this program is")?;
    Ok(here.with_file_name("nightjar-eye"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../nightjar.toml");

    #[test]
    fn the_shipped_file_says_the_defaults() {
        assert_eq!(Config::from_toml(SHIPPED, "nightjar.toml").unwrap(), Config::default());
    }

    #[test]
    fn the_shipped_examples_are_good() {
        // a comment that says nothing of a key or a table stays one
        let is_example = |l: &&str| l.contains('=') || l.starts_with('[');
        let line = |l: &str| l.strip_prefix("# ").filter(is_example).unwrap_or(l).to_string() + "\n";
        let live: String = SHIPPED.lines().map(line).collect();
        let config = Config::from_toml(&live, "nightjar.toml").unwrap();
        assert_eq!((config.cameras.len(), config.outputs.len(), config.rules.len()), (1, 2, 2));
    }

    /// One file that is missing for each key that names a secret or a certificate.
    const WORLD: &str = r#"
        [[camera]]
        id = "front"
        main = "rtsp://192.168.1.9/main"
        username = "me"
        password_file = "DIR/camera"
        [mqtt]
        broker = "mqtts://192.168.1.5"
        username = "me"
        password_file = "DIR/mqtt"
        ca_file = "DIR/mqtt.pem"
        [[webhook]]
        id = "barn"
        url = "https://example.org/hook"
        key_file = "DIR/hook"
        ca_file = "DIR/hook.pem"
        [ntfy]
        url = "https://ntfy.sh/barn-4711"
        token_file = "DIR/ntfy"
        ca_file = "DIR/ntfy.pem"
        [email]
        server = "smtps://mail.example.org"
        username = "me"
        password_file = "DIR/email"
        ca_file = "DIR/email.pem"
        from = "barn@example.org"
        to = ["me@example.org"]
        [push]
        contact = "mailto:me@example.org"
        ca_file = "DIR/push.pem"
    "#;

    fn said(config: &Config) -> String {
        tried(config).map_or_else(|e| format!("{e:#}"), |care| care.join("\n"))
    }

    #[test]
    fn every_file_of_a_secret_or_a_certificate_is_opened_and_named_with_its_key_and_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let config =
            Config::from_toml(&WORLD.replace("DIR", &dir.path().display().to_string()), "x").unwrap();
        let ca = rcgen::generate_simple_self_signed(["broker".to_string()]).unwrap().cert.pem();
        let secrets = [
            ("camera", "camera \"front\": password_file"),
            ("mqtt", "[mqtt] password_file"),
            ("hook", "webhook \"barn\": key_file"),
            ("ntfy", "[ntfy] token_file"),
            ("email", "[email] password_file"),
        ];
        let certificates = [
            ("mqtt.pem", "[mqtt]: ca_file"),
            ("hook.pem", "webhook \"barn\": ca_file"),
            ("ntfy.pem", "[ntfy]: ca_file"),
            ("email.pem", "[email]: ca_file"),
            ("push.pem", "[push]: ca_file"),
        ];
        let fill = || {
            secrets.iter().for_each(|(name, _)| put(name, "hunter2\n"));
            certificates.iter().for_each(|(name, _)| put(name, &ca));
        };
        fill();
        assert_eq!(said(&config), "", "all are there");
        for (name, key) in secrets.iter().chain(&certificates) {
            let path = dir.path().join(name);
            std::fs::remove_file(&path).unwrap();
            let words = said(&config);
            assert!(words.starts_with(&format!("{key} {}: cannot be read: ", path.display())), "{words}");
            assert!(
                words.ends_with("; create it, or correct the key") && !words.contains("hunter2"),
                "{words}"
            );
            std::fs::create_dir(&path).unwrap();
            assert!(said(&config).ends_with("; it must be a file that can be read"), "{}", said(&config));
            std::fs::remove_dir(&path).unwrap();
            put(name, "\n");
            let mend = if name.ends_with(".pem") {
                "there is no certificate in it"
            } else {
                "write the secret into it"
            };
            assert!(said(&config).contains(mend), "{}", said(&config));
            fill();
        }
        for (name, _) in &secrets {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        assert_eq!(said(&config).lines().count(), secrets.len(), "all at once: {}", said(&config));
        assert!(alarm::unreadable(&std::io::ErrorKind::PermissionDenied.into()).contains("make it readable"));
    }
}
