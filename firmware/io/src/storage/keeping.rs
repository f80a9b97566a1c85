//! What is kept and for how long: holds, the forecast, the card's life, what was deleted, and a quota that changes.

use super::error::{StorageError, io_at};
use super::life::Registers;
use super::mount::HOLDS;
use super::read::Library;
use super::shelf::Deletion;
use nightjar_record::catalog::StreamId;
use nightjar_record::forecast::{self, Forecasts, Life};
use nightjar_record::{Hold, HoldError};
use nightjar_types::Wall;
use nightjar_types::config::Keep;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

/// Full writes that a card without a figure of its maker is taken to bear: cheap TLC flash, a cautious number.
const FULL_WRITES: u64 = 500;
/// Written bytes are told a day from this uptime on, seconds: the first minutes say nothing.
const LEAST_UPTIME_S: u64 = 600;

/// How a hold fails.
#[derive(Debug, thiserror::Error)]
pub enum HoldFault {
    /// It cannot be.
    #[error(transparent)]
    Refused(#[from] HoldError),
    /// It could not be written down.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Held footage and how much of it there may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Every hold, with the bytes of the slabs that it holds.
    pub holds: Vec<(Hold, u64)>,
    /// Bytes of all held slabs.
    pub bytes: u64,
    /// Bytes that may be held.
    pub budget: u64,
}

/// How the card lives.
#[derive(Debug, Clone, PartialEq)]
pub struct CardLife {
    /// Bytes that this recorder wrote to it, ever.
    pub written: u64,
    /// Bytes of video and audio among them.
    pub payload: u64,
    /// The forecast.
    pub life: Life,
    /// What the device says of itself.
    pub registers: Registers,
}

impl Library {
    fn budget(&self) -> u64 {
        (self.shelf().quota.load(Relaxed) as f64 * f64::from(self.shelf().options.holds)) as u64
    }

    /// Every hold and the budget.
    pub fn held(&self) -> Held {
        let catalog = self.shelf().catalog();
        let bytes_of = |h: &Hold| catalog.rows().filter(|r| h.covers(r)).map(|r| u64::from(r.len)).sum();
        let holds = catalog.holds().list().iter().map(|h| (h.clone(), bytes_of(h))).collect();
        Held { holds, bytes: catalog.holds().bytes(catalog.rows()), budget: self.budget() }
    }

    /// Keeps footage until somebody lets it go. Gives the hold's id.
    pub fn hold(&self, hold: Hold) -> Result<u32, HoldFault> {
        let (shelf, budget) = (self.shelf(), self.budget());
        let _one = shelf.holding.lock().unwrap_or_else(PoisonError::into_inner);
        let before = shelf.catalog().holds().list().to_vec();
        let (id, after) = {
            // in one go with the look at what is there: the ring takes none of it from here on
            let mut catalog = shelf.catalog_mut();
            let mut holds = catalog.holds().clone();
            let id = holds.add(hold, catalog.rows(), budget)?;
            catalog.set_holds(holds.list().to_vec());
            (id, holds.list().to_vec())
        };
        if let Err(e) = self.write_holds(&after) {
            shelf.catalog_mut().set_holds(before);
            return Err(e.into());
        }
        Ok(id)
    }

    /// Lets a hold go. `None` when there is none of that id.
    pub fn release(&self, id: u32) -> Result<Option<Hold>, StorageError> {
        let _one = self.shelf().holding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut holds = self.shelf().catalog().holds().clone();
        let released = holds.remove(id);
        if released.is_some() {
            self.write_holds(holds.list())?;
            self.shelf().catalog_mut().set_holds(holds.list().to_vec());
        }
        Ok(released)
    }

    /// To the card, before anybody is told.
    fn write_holds(&self, holds: &[Hold]) -> Result<(), StorageError> {
        let mounted = self.shelf().mounted()?;
        let bytes = serde_json::to_vec_pretty(holds).expect("holds are plain data");
        io_at("write", HOLDS, mounted.volume.disk.write_small(HOLDS, &bytes))
    }

    /// How long footage stays.
    pub fn forecast(&self, now: Wall) -> Forecasts {
        let shelf = self.shelf();
        let catalog = shelf.catalog();
        let held = catalog.holds().bytes(catalog.rows());
        let quota = shelf.quota.load(Relaxed).saturating_sub(held);
        let keep = |id: &StreamId| -> Keep {
            shelf.options.streams.iter().find(|s| s.id == *id).map(|s| s.keep.clone()).unwrap_or_default()
        };
        forecast::forecast(catalog.rows().filter(|r| !catalog.holds().covers(r)), quota, now, &keep)
    }

    /// How the card lives, after `uptime_s` seconds of this recorder.
    pub fn card_life(&self, uptime_s: u64) -> CardLife {
        let shelf = self.shelf();
        let wear = shelf.wear();
        let written = shelf.stats.written.load(Relaxed);
        let daily = if uptime_s < LEAST_UPTIME_S { 0 } else { written.saturating_mul(86_400) / uptime_s };
        let registers = Registers::read(shelf.options.place.path());
        let size = registers.size_bytes.unwrap_or_default();
        let endurance = shelf.options.endurance.unwrap_or(size.saturating_mul(FULL_WRITES));
        let mut life = forecast::life(daily, wear.written, endurance);
        if uptime_s < LEAST_UPTIME_S {
            let (minutes, total) = (LEAST_UPTIME_S / 60, forecast::bytes_in_words(wear.written));
            life.words = format!("told when the recorder has run for {minutes} min; {total} are written");
        } else if shelf.options.endurance.is_none() && size > 0 {
            life.words.push_str(&format!(
                " (its size {FULL_WRITES} times, for want of its maker's figure: [storage] endurance)"
            ));
        }
        CardLife { written: wear.written, payload: wear.payload, life, registers }
    }

    /// What was deleted since this was asked last, for the audit.
    pub fn take_deletions(&self) -> Vec<Deletion> {
        self.shelf().take_deletions()
    }

    /// Records that were found damaged since the start.
    pub fn damaged(&self) -> u64 {
        self.shelf().stats.damaged.load(Relaxed)
    }

    /// Changes the bytes that are reserved for footage, while recording goes on: slab by slab.
    ///
    /// # Errors
    /// As the start would say it: too small for the streams, or more than the disk has room for. Nothing is changed then.
    pub fn set_quota(&self, bytes: u64) -> Result<(), StorageError> {
        let shelf = self.shelf();
        super::ring::enough(bytes, shelf.options.streams.len())?;
        let have = shelf.catalog().bytes();
        if let Ok(mounted) = shelf.mounted() {
            let room = io_at("stat", &mounted.volume.root, mounted.volume.disk.room())?;
            let there = have.saturating_add(room);
            if bytes > there {
                let path = mounted.volume.root.clone();
                return Err(StorageError::TooLarge { path, wanted: bytes >> 20, there: there >> 20 });
            }
        }
        shelf.wanted.store(bytes, Relaxed);
        shelf.quota.store(bytes, Relaxed);
        Ok(())
    }
}
