//! What goes wrong between us and a camera → [`Fault`]: a cause for the gap record, and words with the mend.

use gstreamer::{self as gst, prelude::*};
use nightjar_types::GapCause;
use std::fmt;
use std::io;

/// Why a camera gives nothing, or nothing more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: GapCause,
    pub(crate) words: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Fault {
    /// It is not there, not to be had, or went away.
    pub(crate) fn gone(words: impl Into<String>) -> Self {
        Self { cause: GapCause::Disconnected, words: words.into() }
    }

    /// It is there and gives nothing that can be recorded.
    pub(crate) fn unusable(words: impl Into<String>) -> Self {
        Self { cause: GapCause::Garbage, words: words.into() }
    }

    /// It gives no picture.
    pub(crate) fn silent(words: impl Into<String>) -> Self {
        Self { cause: GapCause::Stalled, words: words.into() }
    }

    /// What the system said of a device node while doing something with it.
    pub(crate) fn of_device(node: &str, doing: &str, error: &io::Error) -> Self {
        use rustix::io::Errno;
        match Errno::from_io_error(error) {
            Some(Errno::BUSY) => Self::gone(format!(
                "{node} is in use by another program: \"fuser {node}\" shows which; stop it"
            )),
            Some(Errno::ACCESS | Errno::PERM) => Self::gone(format!(
                "{node} may not be opened: make the user that runs nightjar a member of the group \"video\""
            )),
            Some(Errno::NODEV | Errno::NOENT | Errno::NXIO) => {
                Self::gone(format!("the camera at {node} was unplugged: check plug, cable and power"))
            }
            Some(Errno::NOSPC) => Self::gone(format!(
                "{node}: the USB bus has no room for this camera's stream: choose a smaller size, fps or format=mjpeg, or another USB port"
            )),
            _ if error.kind() == io::ErrorKind::TimedOut => {
                Self::silent("the camera gives no picture: unplug it and plug it in again")
            }
            _ => Self::gone(format!("{node}: {doing}: {error}")),
        }
    }

    /// An error message on a pipeline's bus.
    pub(crate) fn of_pipeline(message: &gst::message::Error) -> Self {
        let error = message.error();
        let from = message.src().map(|src| src.name().to_string()).unwrap_or_default();
        let more = message.debug().map(|debug| debug.to_string()).unwrap_or_default();
        // GStreamer's own words come first; the element's are behind the last line break of the other text.
        let detail = more.rsplit('\n').next().unwrap_or_default().trim();
        if error.matches(gst::ResourceError::Busy) || more.contains("Camera in use") {
            return Self::gone("the camera is in use by another program: stop that program");
        }
        Self::gone(format!("{from}: {error} ({detail})"))
    }
}

impl From<gst::glib::BoolError> for Fault {
    fn from(e: gst::glib::BoolError) -> Self {
        Self::unusable(format!("GStreamer: {}", e.message))
    }
}

impl From<gst::StateChangeError> for Fault {
    fn from(_: gst::StateChangeError) -> Self {
        Self::gone("the camera's pipeline does not start")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_told_with_its_mend() {
        let told = |errno: rustix::io::Errno| Fault::of_device("/dev/video0", "opening", &errno.into());
        for (errno, words) in [
            (rustix::io::Errno::BUSY, "/dev/video0 is in use by another program: \"fuser /dev/video0\""),
            (rustix::io::Errno::ACCESS, "group \"video\""),
            (rustix::io::Errno::NODEV, "unplugged"),
            (rustix::io::Errno::NOSPC, "USB bus has no room"),
            (rustix::io::Errno::IO, "/dev/video0: opening: "),
        ] {
            let fault = told(errno);
            assert!(fault.words.contains(words) && fault.cause == GapCause::Disconnected, "{fault:?}");
        }
        let late = Fault::of_device("/dev/video0", "reading", &io::ErrorKind::TimedOut.into());
        assert_eq!(late.cause, GapCause::Stalled);
    }
}
