//! Coded samples of every stream → messages in one bounded queue. What does not fit is dropped up to the next key frame.

use super::session::captured;
use gstreamer as gst;
use nightjar_types::Mono;
use nightjar_types::capture::FromCapture;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Messages that may wait for the recorder: two seconds of two streams. It reads in beats of 150 ms.
const QUEUE: usize = 128;

/// The way to whoever takes the pictures; clones share it.
#[derive(Clone)]
pub(crate) struct Outlet(SyncSender<FromCapture>);

impl Outlet {
    /// The outlet and its queue.
    pub(crate) fn new() -> (Self, Receiver<FromCapture>) {
        let (sender, receiver) = sync_channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Waits for room. When nobody takes it any more there is nobody to tell.
    pub(crate) fn send(&self, message: FromCapture) {
        let _ = self.0.send(message);
    }

    /// One stream's way into it.
    pub(crate) fn tap(&self, stream: u8) -> Tap {
        Tap { stream, queue: self.0.clone(), config: Vec::new(), needs_key: true, left: 0 }
    }
}

/// One stream: never blocks, since a camera does not wait.
pub(crate) struct Tap {
    stream: u8,
    queue: SyncSender<FromCapture>,
    /// The parameters that were told: size and record.
    config: Vec<u8>,
    needs_key: bool,
    left: u32,
}

impl Tap {
    /// Takes one sample of a pipeline with this base time.
    pub(crate) fn take(&mut self, sample: &gst::SampleRef, base: gst::ClockTime) {
        let (Some(buffer), Some(mono)) = (sample.buffer(), captured(sample, base)) else { return };
        let is_key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let Ok(bytes) = buffer.map_readable() else { return };
        self.unit(is_key, mono, &bytes, || params(sample));
    }

    fn unit(
        &mut self,
        is_key: bool,
        captured: Mono,
        bytes: &[u8],
        params: impl Fn() -> Option<(u16, u16, Vec<u8>)>,
    ) {
        if self.needs_key && !is_key {
            self.left += 1;
            return;
        }
        let had_begun = !self.config.is_empty();
        if is_key && let Some((width, height, config)) = params() {
            let told = [&width.to_be_bytes()[..], &height.to_be_bytes(), &config].concat();
            if told != self.config {
                let message =
                    FromCapture::Params { stream: self.stream, width, height, config: config.into() };
                if !self.offer(message) {
                    return;
                }
                self.config = told;
            }
        }
        if self.config.is_empty() {
            return; // nobody could decode it
        }
        if self.left > 0 && had_begun {
            let message = FromCapture::Left { stream: self.stream, units: self.left };
            if !self.offer(message) {
                return;
            }
        }
        self.left = 0;
        let data = bytes::Bytes::copy_from_slice(bytes);
        self.needs_key = false;
        self.offer(FromCapture::Unit { stream: self.stream, captured, data });
    }

    /// Whether there was room.
    fn offer(&mut self, message: FromCapture) -> bool {
        let is_full = matches!(self.queue.try_send(message), Err(TrySendError::Full(_)));
        if is_full {
            self.needs_key = true;
            self.left += 1;
        }
        !is_full
    }
}

/// Size and avcC record of a sample.
fn params(sample: &gst::SampleRef) -> Option<(u16, u16, Vec<u8>)> {
    let caps = sample.caps()?.structure(0)?;
    let side = |name: &str| caps.get::<i32>(name).ok().and_then(|side| side.try_into().ok());
    let config = caps.get::<gst::Buffer>("codec_data").ok()?;
    let config = config.map_readable().ok()?.to_vec();
    Some((side("width")?, side("height")?, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_late_loses_whole_groups_and_is_told() {
        let (outlet, queue) = Outlet::new();
        let mut tap = outlet.tap(1);
        let params = || Some((640, 360, vec![1, 2, 3]));
        let mut number = 0;
        let mut picture = |tap: &mut Tap, is_key: bool| {
            number += 1;
            tap.unit(is_key, Mono(number), &[0, 0, 0, 1, 0x41], params);
        };
        picture(&mut tap, false); // no decoder could start here
        picture(&mut tap, true);
        (0..QUEUE).for_each(|_| picture(&mut tap, false));
        let mut heard: Vec<FromCapture> = queue.try_iter().collect();
        assert_eq!(heard.len(), QUEUE);
        assert!(
            matches!(&heard[0], FromCapture::Params { stream: 1, width: 640, height: 360, .. }),
            "{:?}",
            heard[0]
        );
        assert!(matches!(&heard[1], FromCapture::Unit { captured: Mono(2), .. }), "{:?}", heard[1]);
        picture(&mut tap, false); // there is room, but one before it is missing
        picture(&mut tap, true);
        heard = queue.try_iter().collect();
        assert!(
            matches!(heard[..], [FromCapture::Left { stream: 1, units: 3 }, FromCapture::Unit { .. }]),
            "{heard:?}"
        );
    }
}
