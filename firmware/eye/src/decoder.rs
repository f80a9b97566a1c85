//! Codec → the decoder elements to try, in order. Hardware first; one that exists but fails is passed over.

use crate::error::Error;
use crate::marks::Marker;
use crate::still;
use gstreamer::{self as gst, prelude::*};
use nightjar_types::VideoCodec;
use std::sync::OnceLock;
use std::time::Duration;

/// One GStreamer decoder element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decoder {
    pub(crate) codec: VideoCodec,
    pub(crate) element: &'static str,
    pub(crate) hardware: bool,
}

impl Decoder {
    /// Lets the first picture out only when another one follows, even at the end (OpenH264 2.3 to 2.6 behind GStreamer 1.22 to 1.26).
    pub(crate) fn keeps_a_lone_one(self) -> bool {
        self.element == "openh264dec"
    }
}

const fn hardware(codec: VideoCodec, element: &'static str) -> Decoder {
    Decoder { codec, element, hardware: true }
}

const fn software(codec: VideoCodec, element: &'static str) -> Decoder {
    Decoder { codec, element, hardware: false }
}

/// Every decoder, best first for each codec.
pub(crate) const DECODERS: &[Decoder] = &[
    // V4L2 stateless: Rockchip, Allwinner, Pi 5 (H.265). V4L2 stateful: Pi 3 and 4. VA: Intel, AMD.
    hardware(VideoCodec::H264, "v4l2slh264dec"),
    hardware(VideoCodec::H264, "v4l2h264dec"),
    hardware(VideoCodec::H264, "vah264dec"),
    software(VideoCodec::H264, "avdec_h264"),
    software(VideoCodec::H264, "openh264dec"),
    hardware(VideoCodec::H265, "v4l2slh265dec"),
    hardware(VideoCodec::H265, "v4l2h265dec"),
    hardware(VideoCodec::H265, "vah265dec"),
    software(VideoCodec::H265, "avdec_h265"),
    software(VideoCodec::H265, "libde265dec"),
];

/// How long a decoder may take for one key frame before the next is tried. Firmware that has to be loaded takes
/// some hundred milliseconds; one that takes longer than this hangs.
pub(crate) const DEADLINE: Duration = Duration::from_millis(2000);

/// The codec's name for people.
pub(crate) fn codec_name(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H.264",
        VideoCodec::H265 => "H.265",
    }
}

/// Initialises GStreamer and loads the code of the elements that streams need, before the first one waits for it. A decoder
/// behind the first in software is loaded when that one fails.
pub(crate) fn prepare() -> Result<(), Error> {
    gst::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
    let chain = ["appsrc", "h264parse", "h265parse", "videoconvert", "appsink"];
    // A codec without any is named when a stream wants it.
    let installed =
        [VideoCodec::H264, VideoCodec::H265].into_iter().filter_map(|codec| installed(codec).ok());
    let ahead = installed.flat_map(|all| {
        let software = all.iter().position(|d| !d.hardware).unwrap_or(all.len());
        all.into_iter().take(software + 1).map(|d| d.element)
    });
    for name in chain.into_iter().chain(ahead) {
        // One that is not there, or does not load, is named when a stream wants it.
        if let Some(factory) = gst::ElementFactory::find(name) {
            let _ = factory.load();
        }
    }
    Ok(())
}

/// Elements that were measured to be right on this board, cheapest first of each codec.
static MEASURED: OnceLock<Vec<String>> = OnceLock::new();

/// From now on these come first, in this order. The others stay: what a measurement did not know is better than nothing.
pub(crate) fn prefer(measured: Vec<String>) {
    // Said once, when the process begins to serve.
    let _ = MEASURED.set(measured);
}

/// `decoders` in the measured order; those that were not measured, or not right, behind in their own.
fn in_measured_order(mut decoders: Vec<Decoder>, measured: &[String]) -> Vec<Decoder> {
    decoders.sort_by_key(|d| measured.iter().position(|m| m == d.element).unwrap_or(usize::MAX));
    decoders
}

/// The installed decoders of a codec, in order; an error names what to install when there is none.
pub(crate) fn installed(codec: VideoCodec) -> Result<Vec<Decoder>, Error> {
    let there = |d: &&Decoder| d.codec == codec && gst::ElementFactory::find(d.element).is_some();
    let found: Vec<Decoder> = DECODERS.iter().filter(there).copied().collect();
    if found.is_empty() {
        return Err(Error::Decode(format!(
            "no decoder for {}: install gstreamer1.0-libav",
            codec_name(codec)
        )));
    }
    Ok(in_measured_order(found, MEASURED.get().map_or(&[], Vec::as_slice)))
}

/// The first installed decoder that turns this key frame into a picture; `passed_over` are known to fail.
pub(crate) fn choose(
    codec: VideoCodec,
    config: &[u8],
    key: &[u8],
    passed_over: &[&str],
    marker: &Marker,
) -> Result<Decoder, Error> {
    let mut failed = Vec::new();
    for decoder in installed(codec)? {
        if passed_over.contains(&decoder.element) {
            continue;
        }
        match still::decode(decoder, config, key, DEADLINE, marker) {
            Ok(_) => return Ok(decoder),
            Err(error) => failed.push(format!("{}: {error}", decoder.element)),
        }
    }
    Err(Error::Decode(format!("no decoder takes this {} stream ({})", codec_name(codec), failed.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_order_goes_before_the_table_and_loses_none() {
        let all: Vec<Decoder> = DECODERS.iter().filter(|d| d.codec == VideoCodec::H264).copied().collect();
        let ordered = in_measured_order(all.clone(), &["openh264dec".into(), "v4l2h264dec".into()]);
        assert_eq!(ordered.len(), all.len());
        assert_eq!([ordered[0].element, ordered[1].element], ["openh264dec", "v4l2h264dec"]);
        assert_eq!(ordered[2], all[0]);
        assert_eq!(in_measured_order(all.clone(), &[]), all);
    }

    #[test]
    fn hardware_comes_before_software() {
        for codec in [VideoCodec::H264, VideoCodec::H265] {
            let order: Vec<bool> = DECODERS.iter().filter(|d| d.codec == codec).map(|d| d.hardware).collect();
            assert!(order.is_sorted_by(|a, b| a >= b) && order.contains(&false), "{codec:?}");
        }
    }
}
