//! One recorded stream on its way to the card: what is cut, what is open, what is known of its end.

use super::index::EventRow;
use super::options::StreamPlan;
use super::slab_file::SlabFile;
use nightjar_record::catalog::{StreamId, default_rate};
use nightjar_record::layout::{Begun, Hash};
use nightjar_record::{Fragment, Roll, Segmenter, SlabWriter};
use nightjar_types::{Gap, GapCause, Mono, Wall};
use std::collections::VecDeque;

/// One stream.
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) plan: StreamPlan,
    pub(super) cutter: Segmenter,
    pub(super) roll: Roll,
    /// Cut, not written.
    pub(super) ready: VecDeque<Fragment>,
    pub(super) slab: Option<Open>,
    /// Last recorded moment; before the first, when the stream was wanted.
    pub(super) end: Wall,
    /// By how much the clock was set, µs, while footage on the old time line is still coming: see [`Stream::on_new_clock`].
    pub(super) shift_us: i64,
    /// Nothing was ever recorded.
    pub(super) is_new: bool,
    /// Events that wait for room in the next slab.
    pub(super) waiting: VecDeque<EventRow>,
    /// Chain of the slab before.
    pub(super) chain: Hash,
    /// Bytes a second, as the last slab had them.
    pub(super) rate: u64,
    pub(super) moving_until: Mono,
    pub(super) event_until: Mono,
    /// When the newest unit came in.
    pub(super) heard: Mono,
}

/// The slab that a stream writes.
pub(super) struct Open {
    pub(super) writer: SlabWriter,
    pub(super) file: SlabFile,
    pub(super) begun: Begun,
    /// Records that a power cut could still tear: recovery looks at no more than [`TAIL_RECORDS`].
    pub(super) fresh: Fresh,
}

/// Records of a slab that may not be on the card yet, by the write-out that will bring them there.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) synced: u64,
    /// Written since the last write-out ended, and before: those it may have missed.
    pub(super) now: usize,
    pub(super) before: usize,
}

impl Fresh {
    pub(super) fn count(&mut self, synced: u64) -> usize {
        match synced - self.synced {
            0 => {}
            1 => (self.before, self.now) = (self.now, 0),
            _ => (self.before, self.now) = (0, 0),
        }
        self.synced = synced;
        self.now + self.before
    }
}

impl Open {
    pub(super) fn new(writer: SlabWriter, file: SlabFile, begun: Begun) -> Self {
        Self { writer, file, begun, fresh: Fresh::default() }
    }
}

impl Stream {
    pub(super) fn new(plan: StreamPlan, end: Option<Wall>, now: Wall) -> Self {
        Self {
            roll: Roll::new(plan.mode, plan.pre_roll, plan.post_roll),
            cutter: Segmenter::new(end),
            ready: VecDeque::new(),
            slab: None,
            end: end.unwrap_or(now),
            shift_us: 0,
            is_new: end.is_none(),
            waiting: VecDeque::new(),
            chain: [0; 32],
            rate: default_rate(plan.id.1),
            moving_until: Mono(0),
            event_until: Mono(0),
            heard: Mono(0),
            id: plan.id.clone(),
            plan,
        }
    }

    pub(super) fn gap(&self, from: Wall, cause: GapCause) -> Gap {
        Gap { camera: self.id.0.clone(), stream: self.id.1, from, to: None, cause }
    }

    pub(super) fn keep(&self) -> &nightjar_types::config::Keep {
        &self.plan.keep
    }
}
