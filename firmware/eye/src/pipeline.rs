//! Coded units of one stream → a GStreamer pipeline → samples at its sink.
//!
//! `appsrc ! h264parse ! DECODER ! videoconvert ! appsink`: the parser turns length-prefixed units into what the decoder
//! wants; videoconvert does nothing when the decoder gives I420 or NV12 already.

use crate::decoder::Decoder;
use crate::error::Error;
use crate::frame;
use crate::marks::{InWork, Marker};
use bytes::Bytes;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::{AppSink, AppSrc, AppSrcCallbacks};
use nightjar_types::{Mono, VideoCodec};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Units that may wait before the decoder.
const WAITING: u64 = 8;
/// A decoder that takes no unit for this long hangs.
const HANGS: Duration = Duration::from_secs(3);

/// A running pipeline; dropping it stops it.
pub(crate) struct Pipeline {
    pipeline: gst::Pipeline,
    source: AppSrc,
    sink: AppSink,
    bus: gst::Bus,
    room: Arc<Room>,
    in_work: Arc<Mutex<Option<InWork>>>,
}

/// Whether the pipeline's source has room for another unit.
#[derive(Default)]
struct Room {
    full: Mutex<bool>,
    changed: Condvar,
}

impl Room {
    fn set_full(&self, full: bool) {
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = full;
        self.changed.notify_all();
    }

    /// Waits for room; false when there is none in time.
    fn wait(&self) -> bool {
        let full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let (full, _) = self
            .changed
            .wait_timeout_while(full, HANGS, |full| *full)
            .unwrap_or_else(PoisonError::into_inner);
        !*full
    }
}

impl Pipeline {
    /// Builds it, not yet running. `config` is the avcC or hvcC record. The thread that decodes says by `marker` at what
    /// it is: from a unit's way into the parser until the next is asked for.
    pub(crate) fn new(decoder: Decoder, config: &[u8], marker: &Marker) -> Result<Self, Error> {
        let (media, format, parser, record) = match decoder.codec {
            VideoCodec::H264 => ("video/x-h264", "avc", "h264parse", "avcC"),
            VideoCodec::H265 => ("video/x-h265", "hvc1", "h265parse", "hvcC"),
        };
        // Both records begin with version 1 and are longer than this without any parameter set.
        if config.len() < 7 || config[0] != 1 {
            return Err(Error::Decode(format!(
                "the stream's {record} record is {} bytes and none that is known",
                config.len()
            )));
        }
        let caps = gst::Caps::builder(media)
            .field("stream-format", format)
            .field("alignment", "au")
            .field("codec_data", gst::Buffer::from_slice(Bytes::copy_from_slice(config)))
            .build();
        let room = Arc::new(Room::default());
        let in_work: Arc<Mutex<Option<InWork>>> = Arc::default();
        let (filled, emptied, done) = (room.clone(), room.clone(), in_work.clone());
        let callbacks = AppSrcCallbacks::builder()
            .enough_data(move |_| filled.set_full(true))
            .need_data(move |_, _| {
                *done.lock().unwrap_or_else(PoisonError::into_inner) = None;
                emptied.set_full(false);
            })
            .build();
        let source = AppSrc::builder()
            .caps(&caps)
            .format(gst::Format::Time)
            .is_live(true)
            // Counted in units alone: the library's own limit is in bytes, and a 4K key frame may pass it.
            .max_bytes(0)
            .max_buffers(WAITING)
            .callbacks(callbacks)
            .build();
        mark_units(&source, marker.clone(), in_work.clone());
        let sink = AppSink::builder()
            .caps(&frame::sink_caps())
            .sync(false)
            .async_(false)
            .max_buffers(1)
            .drop(true)
            .build();
        sink.set_property("enable-last-sample", false);
        let make = |name: &str| {
            let made = gst::ElementFactory::make(name).build();
            made.map_err(|_| {
                Error::Gstreamer(format!("has no element {name}: install gstreamer1.0-plugins-bad"))
            })
        };
        let (parse, decode, convert) = (make(parser)?, make(decoder.element)?, make("videoconvert")?);
        tune(&decode);
        let pipeline = gst::Pipeline::new();
        let chain: [&gst::Element; 5] = [source.upcast_ref(), &parse, &decode, &convert, sink.upcast_ref()];
        pipeline.add_many(chain)?;
        gst::Element::link_many(chain)?;
        let bus = pipeline.bus().ok_or_else(|| Error::Gstreamer("a pipeline without a bus".into()))?;
        Ok(Self { pipeline, source, sink, bus, room, in_work })
    }

    /// Where the pictures come out.
    pub(crate) fn sink(&self) -> &AppSink {
        &self.sink
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Result<(), Error> {
        self.pipeline.set_state(gst::State::Playing)?;
        Ok(())
    }

    /// Hands in one coded picture, waiting for room; its time comes out again as the sample's timestamp.
    pub(crate) fn push(&self, mono: Mono, data: Bytes) -> Result<(), Error> {
        if !self.room.wait() {
            return Err(Error::Decode(format!("the decoder took nothing for {} s", HANGS.as_secs())));
        }
        let mut buffer = gst::Buffer::from_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_useconds(mono.0));
        }
        self.source.push_buffer(buffer).map_err(|e| Error::Gstreamer(format!("pushing: {e}")))?;
        Ok(())
    }

    /// No more units: the decoder gives out what it still holds.
    pub(crate) fn finish(&self) {
        // Refused only when it is stopping anyway.
        let _ = self.source.end_of_stream();
    }

    /// What went wrong since the last call.
    pub(crate) fn fault(&self) -> Option<String> {
        let message = self.bus.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(e) => Some(e.error().to_string()),
            _ => None,
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // A refusal leaves nothing to do: the pipeline is gone either way.
        let _ = self.pipeline.set_state(gst::State::Null);
        *self.in_work.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Parser and software decoder run in the source's own thread: what leaves the source is in work until it asks for more.
fn mark_units(source: &AppSrc, marker: Marker, in_work: Arc<Mutex<Option<InWork>>>) {
    let Some(pad) = source.static_pad("src") else { return };
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(pts) = info.buffer().and_then(|b| b.pts()) {
            let mut in_work = in_work.lock().unwrap_or_else(PoisonError::into_inner);
            *in_work = None; // before the new one takes its place: the slot is used again
            *in_work = Some(marker.begin(Mono(pts.useconds())));
        }
        gst::PadProbeReturn::Ok
    });
}

/// libav's defaults are for players: several threads and strict reordering each hold back pictures, and it shows what it
/// could only half decode. Here a picture must come out when its unit has gone in, or not at all.
fn tune(decoder: &gst::Element) {
    if decoder.find_property("max-threads").is_some() {
        decoder.set_property("max-threads", 1i32);
    }
    if decoder.find_property("std-compliance").is_some() {
        decoder.set_property_from_str("std-compliance", "normal");
    }
    if decoder.find_property("output-corrupt").is_some() {
        decoder.set_property("output-corrupt", false);
    }
}
