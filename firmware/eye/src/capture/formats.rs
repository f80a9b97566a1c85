//! Four letters of a camera's format ↔ what it is to us: the table [`FORMATS`], best first.

use nightjar_types::capture::Form;

/// One pixel format of Video4Linux that can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    /// As the kernel names it.
    pub(crate) fourcc: [u8; 4],
    pub(crate) form: Form,
    /// As GStreamer names it, without size and rate.
    pub(crate) caps: &'static str,
}

const fn raw(fourcc: &[u8; 4], caps: &'static str) -> Format {
    Format { fourcc: *fourcc, form: Form::Raw, caps }
}

/// Every format, best first. Of raw ones those come first that an encoder takes without a conversion.
pub(crate) const FORMATS: &[Format] = &[
    Format { fourcc: *b"H264", form: Form::H264, caps: "video/x-h264,stream-format=byte-stream" },
    Format { fourcc: *b"MJPG", form: Form::Mjpeg, caps: "image/jpeg" },
    Format { fourcc: *b"JPEG", form: Form::Mjpeg, caps: "image/jpeg" },
    raw(b"NV12", "video/x-raw,format=NV12"),
    raw(b"YU12", "video/x-raw,format=I420"),
    raw(b"YUYV", "video/x-raw,format=YUY2"),
    raw(b"UYVY", "video/x-raw,format=UYVY"),
    raw(b"YVYU", "video/x-raw,format=YVYU"),
    raw(b"NV21", "video/x-raw,format=NV21"),
    raw(b"RGB3", "video/x-raw,format=RGB"),
    raw(b"BGR3", "video/x-raw,format=BGR"),
    raw(b"GREY", "video/x-raw,format=GRAY8"),
];

/// The row of a format, if it can be recorded.
pub(crate) fn of(fourcc: [u8; 4]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fourcc == fourcc)
}

/// The four letters as text.
pub(crate) fn letters(fourcc: [u8; 4]) -> String {
    fourcc.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }).collect()
}
