//! What a stream needs → the cheapest H.264 encoder that works here, as words for a pipeline: the table [`ENCODERS`].

use super::fault::Fault;
use crate::clock::Stopwatch;
use gstreamer::{self as gst, prelude::*};
use gstreamer_app::AppSink;
use std::time::Duration;

/// Pictures that an encoder must give when it is tried.
const TRIED_WITH: u32 = 5;
/// Pictures that it gets: hardware holds some back.
const FED_WITH: u32 = 60;
/// How long hardware may take for them: its firmware has to be loaded first.
const HARDWARE_WITHIN: Duration = Duration::from_secs(3);
/// How long software may take for them: a Pi Zero at 1080p.
const SOFTWARE_WITHIN: Duration = Duration::from_secs(8);
/// Bits a pixel when nothing is said: what network cameras are set to at the factory (4 Mbit/s for 1080p at 20 a second).
const BITS_A_PIXEL: f64 = 0.1;

/// What is to be coded, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) fps: u32,
    pub(crate) bit_rate: u32,
    pub(crate) gop_ms: u32,
}

impl Coding {
    /// Pictures from one key frame to the next.
    pub(crate) fn gop(&self) -> u32 {
        (u64::from(self.fps) * u64::from(self.gop_ms) / 1_000).clamp(1, 3_600) as u32
    }

    /// Bits a second for a picture of this size and rate.
    pub(crate) fn usual_bit_rate(width: u32, height: u32, fps: u32) -> u32 {
        (f64::from(width) * f64::from(height) * f64::from(fps) * BITS_A_PIXEL).clamp(200e3, 12e6) as u32
    }

    fn kbit(&self) -> u32 {
        (self.bit_rate / 1_000).max(1)
    }

    /// Each further thread cuts the picture into one more slice, which costs bits: two for what is large alone.
    fn threads(&self) -> u32 {
        if self.width * self.height * self.fps <= 1280 * 720 * 15 { 1 } else { 2 }
    }
}

/// One GStreamer encoder element.
pub(crate) struct Encoder {
    pub(crate) element: &'static str,
    pub(crate) is_hardware: bool,
    /// Sample format that it takes as it is.
    pub(crate) takes: &'static str,
    /// The element with its properties, and what must stand behind it.
    words: fn(&Coding) -> String,
}

/// Every encoder, cheapest first. Of the two in software both take 3.3 ms for a picture of 768×576 (walking people, 1 Mbit/s,
/// one thread of the x86 machine this was written on); openh264's pictures are the better ones (SSIM 0.966, x264 0.964; x264's next
/// slower preset has 0.978 for 5.3 ms).
pub(crate) const ENCODERS: &[Encoder] = &[
    // V4L2 stateful: Pi 3, 4, Zero 2 W. Its level must be said, or it takes small pictures alone.
    Encoder {
        element: "v4l2h264enc",
        is_hardware: true,
        takes: "NV12",
        words: |c| {
            format!(
                "v4l2h264enc extra-controls=\"controls,repeat_sequence_header=1,video_bitrate={},video_gop_size={gop},h264_i_frame_period={gop}\" \
                 ! video/x-h264,profile=high,level=(string)4",
                c.bit_rate,
                gop = c.gop()
            )
        },
    },
    // Rockchip's own kernel and plugin.
    Encoder {
        element: "mpph264enc",
        is_hardware: true,
        takes: "NV12",
        words: |c| format!("mpph264enc bps={} gop={} header-mode=each-idr", c.bit_rate, c.gop()),
    },
    // VA: Intel (low power first), AMD.
    Encoder { element: "vah264lpenc", is_hardware: true, takes: "NV12", words: |c| va("vah264lpenc", c) },
    Encoder { element: "vah264enc", is_hardware: true, takes: "NV12", words: |c| va("vah264enc", c) },
    Encoder {
        element: "openh264enc",
        is_hardware: false,
        takes: "I420",
        words: |c| {
            format!(
                "openh264enc complexity=low rate-control=bitrate bitrate={} gop-size={} multi-thread={} enable-frame-skip=false",
                c.bit_rate,
                c.gop(),
                c.threads()
            )
        },
    },
    Encoder {
        element: "x264enc",
        is_hardware: false,
        takes: "I420",
        words: |c| {
            format!(
                "x264enc tune=zerolatency speed-preset=ultrafast bframes=0 bitrate={} key-int-max={} threads={} sliced-threads={}",
                c.kbit(),
                c.gop(),
                c.threads(),
                c.threads() > 1
            )
        },
    },
];

fn va(element: &str, c: &Coding) -> String {
    format!("{element} bitrate={} key-int-max={} b-frames=0 target-usage=7", c.kbit(), c.gop())
}

impl Encoder {
    /// What it takes, as caps.
    fn caps(&self, Coding { width, height, .. }: &Coding) -> String {
        format!("video/x-raw,format={},width={width},height={height}", self.takes)
    }

    /// The encoder in a pipeline, its caps before it; before these stands an element.
    pub(crate) fn words(&self, coding: &Coding) -> String {
        format!("{} ! {}", self.caps(coding), (self.words)(coding))
    }

    /// Codes a few pictures; an error says why not.
    fn try_out(&self, coding: &Coding) -> Result<(), String> {
        let text = format!(
            "videotestsrc num-buffers={FED_WITH} pattern=ball ! {},framerate={}/1 ! {} ! h264parse \
             ! video/x-h264,stream-format=avc,alignment=au ! appsink name=coded sync=false max-buffers=1",
            self.caps(coding),
            coding.fps,
            (self.words)(coding)
        );
        let pipeline = gst::parse::launch(&text).map_err(|e| e.to_string())?;
        let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "no pipeline".to_owned())?;
        let sink =
            pipeline.by_name("coded").and_then(|sink| sink.downcast::<AppSink>().ok()).ok_or("no sink")?;
        let watch = Stopwatch::start();
        let within = if self.is_hardware { HARDWARE_WITHIN } else { SOFTWARE_WITHIN };
        let started = pipeline.set_state(gst::State::Playing);
        let mut coded = 0;
        let ended = loop {
            if started.is_err() || watch.passed() > within {
                break Err(format!("{coded} of {TRIED_WITH} pictures in {} s", within.as_secs()));
            }
            if sink.try_pull_sample(gst::ClockTime::from_mseconds(20)).is_some() {
                coded += 1;
                if coded == TRIED_WITH {
                    break Ok(());
                }
            } else if sink.is_eos() {
                break Err(format!("{coded} of {FED_WITH} pictures"));
            }
            let fault = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
            if let Some(gst::MessageView::Error(error)) = fault.as_ref().map(|message| message.view()) {
                break Err(error.error().to_string());
            }
        };
        // A refusal leaves nothing to do: the pipeline is gone either way.
        let _ = pipeline.set_state(gst::State::Null);
        ended
    }
}

/// The first installed encoder that codes pictures of this size.
pub(crate) fn choose(coding: &Coding) -> Result<&'static Encoder, Fault> {
    let mut failed = Vec::new();
    for encoder in ENCODERS {
        if gst::ElementFactory::find(encoder.element).is_none() {
            continue;
        }
        match encoder.try_out(coding) {
            Ok(()) => return Ok(encoder),
            Err(why) => failed.push(format!("{}: {why}", encoder.element)),
        }
    }
    if failed.is_empty() {
        return Err(Fault::unusable(
            "there is no H.264 encoder: install gstreamer1.0-plugins-bad (openh264enc) or gstreamer1.0-plugins-ugly (x264enc)",
        ));
    }
    let size = format!("{}×{}", coding.width, coding.height);
    Err(Fault::unusable(format!("no encoder codes {size}: choose a smaller size ({})", failed.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODING: Coding = Coding { width: 320, height: 180, fps: 10, bit_rate: 300_000, gop_ms: 1_000 };

    #[test]
    fn hardware_comes_before_software() {
        assert!(ENCODERS.is_sorted_by_key(|encoder| !encoder.is_hardware));
        assert!(ENCODERS.iter().any(|encoder| !encoder.is_hardware));
    }

    #[test]
    fn every_installed_software_encoder_codes() {
        gst::init().unwrap();
        let is_there = |e: &&Encoder| !e.is_hardware && gst::ElementFactory::find(e.element).is_some();
        let there: Vec<&Encoder> = ENCODERS.iter().filter(is_there).collect();
        assert!(!there.is_empty(), "run `cargo xtask setup`");
        for encoder in there {
            assert_eq!(encoder.try_out(&CODING), Ok(()), "{}", encoder.element);
        }
        assert!(choose(&CODING).is_ok());
    }

    #[test]
    fn a_size_that_no_encoder_takes_is_told() {
        gst::init().unwrap();
        let fault = choose(&Coding { width: 1, height: 1, ..CODING }).err().unwrap();
        assert!(fault.words.contains("no encoder codes 1×1"), "{fault}");
    }

    #[test]
    fn a_gop_is_counted_in_pictures() {
        assert_eq!((CODING.gop(), Coding { fps: 1, gop_ms: 200, ..CODING }.gop()), (10, 1));
        assert_eq!(Coding::usual_bit_rate(1920, 1080, 20), 4_147_200);
    }
}
