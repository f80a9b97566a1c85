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

/// Tries everything that a start would refuse in a configuration without opening anything. Gives back what to take care of.
pub(crate) fn tried(config: &Config) -> anyhow::Result<Vec<String>> {
    compile(config)?;
    let care = outputs::at_boot(config, &board(config)?)?;
    LocalTime::of(config)?;
    Ok(care)
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
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{what}_file {file}: cannot be read"))?;
            Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_string()))
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
}
