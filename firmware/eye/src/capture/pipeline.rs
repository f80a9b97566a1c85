//! A camera, what was chosen of it, and its streams → one GStreamer pipeline as text. Pure; `session.rs` runs it.
//!
//! Every kind of camera goes the same way behind its trunk: `trunk ! [decoder] ! [tee] ! [fewer, smaller] ! encoder ! h264parse !
//! appsink`. So what is tried with `test:` is what runs with a webcam.

use super::choose::Choice;
use super::encoder::{Coding, Encoder};
use nightjar_types::capture::{Form, Kind};

/// Raw pictures that may wait before an encoder that is late: then the oldest is dropped.
const QUEUE: &str = "queue leaky=downstream max-size-buffers=3 max-size-bytes=0 max-size-time=0";
/// What a stream ends in: length-prefixed access units with their avcC record in the caps.
const TAIL: &str = "h264parse ! video/x-h264,stream-format=avc,alignment=au ! appsink sync=false async=false enable-last-sample=false max-buffers=8";

/// One stream that we code.
pub(crate) struct Branch {
    pub(crate) coding: Coding,
    pub(crate) encoder: &'static Encoder,
}

/// How a kind of camera begins: an element called `camera` and what stands behind it.
fn trunk(kind: Kind, device: &str, choice: &Choice, coded: Option<&str>) -> String {
    let (width, height) = (choice.width, choice.height);
    let rate = choice.interval.map_or(choice.fps, |(numerator, denominator)| denominator / numerator.max(1));
    match kind {
        // What can't be coded in time is dropped before it is decoded; coded pictures must all go through.
        Kind::V4l2 if choice.format.form == Form::H264 => {
            "appsrc name=camera is-live=true format=time max-buffers=64 block=true".into()
        }
        Kind::V4l2 => {
            "appsrc name=camera is-live=true format=time max-buffers=3 max-bytes=0 leaky-type=downstream"
                .into()
        }
        Kind::Csi => "libcamerasrc name=camera".into(),
        Kind::Test => {
            let source = format!(
                "videotestsrc name=camera is-live=true pattern={device} ! video/x-raw,format=I420,width={width},height={height},framerate={rate}/1"
            );
            match choice.format.form {
                Form::Raw => source,
                Form::Mjpeg => format!("{source} ! jpegenc"),
                Form::H264 => format!(
                    "{source} ! videoconvert ! {} ! h264parse ! video/x-h264,stream-format=byte-stream",
                    coded.unwrap_or("identity")
                ),
            }
        }
    }
}

/// The pads of libcamera's element for the recorded and the small stream: its image processor scales the second one.
const CSI_PADS: [&str; 2] = ["camera.src", "camera.src_0"];

/// The whole pipeline. Without branches the camera's own coding is passed on. `coded` is the encoder inside a `test:` camera
/// that codes by itself.
pub(crate) fn describe(
    kind: Kind,
    device: &str,
    choice: &Choice,
    branches: &[Branch],
    coded: Option<&str>,
) -> String {
    let trunk = trunk(kind, device, choice, coded);
    let opened = match choice.format.form {
        Form::Mjpeg => format!("{trunk} ! jpegdec"),
        Form::H264 | Form::Raw => trunk,
    };
    let ends = |n: usize| format!("{TAIL} name=stream{n}");
    match branches {
        [] => format!("{opened} ! {}", ends(0)),
        [one] if kind != Kind::Csi => format!("{opened} ! {} ! {}", branch(one, choice), ends(0)),
        several if kind == Kind::Csi => {
            let take = |(n, b): (usize, &Branch)| {
                let Coding { width, height, fps, .. } = b.coding;
                let caps = format!("video/x-raw,format=NV12,width={width},height={height},framerate={fps}/1");
                let coder = b.encoder.words(&b.coding);
                format!("{} ! {caps} ! {QUEUE} ! videoconvert ! {coder} ! {}", CSI_PADS[n.min(1)], ends(n))
            };
            let streams: Vec<String> = several.iter().enumerate().map(take).collect();
            format!("{opened} {}", streams.join(" "))
        }
        several => {
            let take = |(n, b): (usize, &Branch)| format!("split. ! {} ! {}", branch(b, choice), ends(n));
            let streams: Vec<String> = several.iter().enumerate().map(take).collect();
            format!("{opened} ! tee name=split {}", streams.join(" "))
        }
    }
}

/// Fewer and smaller pictures where they are wanted, then the encoder.
fn branch(b: &Branch, choice: &Choice) -> String {
    let Coding { width, height, fps, .. } = b.coding;
    let mut words = QUEUE.to_owned();
    if choice.thins || fps < choice.fps {
        words += &format!(" ! videorate drop-only=true ! video/x-raw,framerate={fps}/1");
    }
    if (width, height) != (choice.width, choice.height) {
        words += &format!(" ! videoscale ! video/x-raw,width={width},height={height}");
    }
    format!("{words} ! videoconvert ! {}", b.encoder.words(&b.coding))
}

#[cfg(test)]
mod tests {
    use super::super::{encoder, formats};
    use super::*;
    use gstreamer as gst;

    fn choice(fourcc: &[u8; 4]) -> Choice {
        Choice {
            format: formats::of(*fourcc).unwrap(),
            width: 640,
            height: 360,
            interval: Some((1, 30)),
            fps: 15,
            thins: true,
        }
    }

    fn branches(sizes: &[(u32, u32)]) -> Vec<Branch> {
        let branch = |(width, height): &(u32, u32)| {
            let coding = Coding { width: *width, height: *height, fps: 15, bit_rate: 500_000, gop_ms: 1_000 };
            Branch { coding, encoder: encoder::choose(&coding).unwrap() }
        };
        sizes.iter().map(branch).collect()
    }

    #[test]
    fn gstreamer_understands_every_pipeline() {
        gst::init().unwrap();
        let two = [(640, 360), (320, 180)];
        let coded = branches(&two[..1])[0].encoder.words(&branches(&two[..1])[0].coding);
        for kind in Kind::ALL {
            for (fourcc, count) in [(b"H264", 0), (b"MJPG", 1), (b"MJPG", 2), (b"YUYV", 1), (b"YUYV", 2)] {
                if kind == Kind::Csi
                    && (fourcc != b"YUYV" || gst::ElementFactory::find("libcamerasrc").is_none())
                {
                    continue; // the plugin is not on every machine
                }
                let text = describe(kind, "ball", &choice(fourcc), &branches(&two[..count]), Some(&coded));
                let pipeline = gst::parse::launch(&text);
                assert!(pipeline.is_ok(), "{text}: {:?}", pipeline.err());
            }
        }
    }

    #[test]
    fn nothing_is_scaled_or_thinned_that_fits() {
        gst::init().unwrap();
        let fits = Choice { thins: false, ..choice(b"YUYV") };
        let text = describe(Kind::V4l2, "", &fits, &branches(&[(640, 360), (320, 180)]), None);
        assert_eq!((text.matches("videorate").count(), text.matches("videoscale").count()), (0, 1), "{text}");
        let text = describe(Kind::V4l2, "", &choice(b"H264"), &[], None);
        assert!(
            !text.contains("enc ") && text.contains("block=true"),
            "a coded picture is not dropped: {text}"
        );
    }
}
