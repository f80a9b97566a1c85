//! `v4l2:by-id/usb-…?size=1280x720&fps=30` → which local camera, and what is wanted of it; or words with the mend.

use crate::config;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What drives a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A kernel driver of Video4Linux: USB webcams, HDMI bridges, capture cards.
    V4l2,
    /// libcamera: cameras on a ribbon cable.
    Csi,
    /// A made-up picture that takes the same way, so that all of it can be tried with no camera.
    Test,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::V4l2, Self::Csi, Self::Test];

    /// The part of the address before the colon.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::V4l2 => "v4l2",
            Self::Csi => "csi",
            Self::Test => "test",
        }
    }
}

/// In which form a camera gives its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Form {
    /// Coded by the camera: recorded as it comes.
    H264,
    /// JPEG by JPEG: decoded and coded as H.264 here.
    Mjpeg,
    /// Samples: coded as H.264 here.
    Raw,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "h264",
            Self::Mjpeg => "mjpeg",
            Self::Raw => "raw",
        })
    }
}

/// What is wanted of one stream. What is absent is chosen when the camera is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Width and height in pixels, both even.
    pub size: Option<(u16, u16)>,
    /// Pictures a second.
    pub fps: Option<u16>,
    /// How the camera shall give them.
    pub format: Option<Form>,
    /// Bits a second, where we code.
    pub bit_rate: Option<u32>,
    /// Milliseconds from one key frame to the next.
    pub gop_ms: u32,
}

impl Default for Settings {
    /// A key frame every 2 s, as most network cameras have.
    fn default() -> Self {
        Self { size: None, fps: None, format: None, bit_rate: None, gop_ms: 2_000 }
    }
}

/// A local camera's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCamera {
    /// What drives it.
    pub kind: Kind,
    /// Which one. `v4l2`: `by-id/…` or `by-path/…` as udev names it, or the bus as the driver names it; `csi`: a number or
    /// libcamera's name; `test`: a pattern. Empty for `v4l2` means the only one there is.
    pub device: String,
    /// What is wanted of it.
    pub settings: Settings,
}

/// Patterns of `test:`, by the names that GStreamer gives them.
const PATTERNS: &[&str] = &["ball", "smpte", "snow", "black", "gradient"];
const KEYS: &str = "size, fps, format, bitrate and gop";
/// Least and most pixels a side; encoders of boards go no further.
const SIDE: std::ops::RangeInclusive<u16> = 32..=3840;
const FPS: std::ops::RangeInclusive<u16> = 1..=120;
const BIT_RATE: std::ops::RangeInclusive<u64> = 50_000..=50_000_000;
const GOP_MS: std::ops::RangeInclusive<u128> = 200..=30_000;

impl LocalCamera {
    /// Takes an address apart; an error names what is wrong and how it is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').ok_or("the address has no colon")?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.scheme().eq_ignore_ascii_case(scheme));
        let kind = kind.ok_or_else(|| format!("\"{scheme}:\" is no local camera"))?;
        let (device, query) = rest.split_once('?').unwrap_or((rest, ""));
        let device = match kind {
            Kind::V4l2 => v4l2_device(device)?,
            Kind::Csi => csi_device(device)?,
            Kind::Test => test_device(device)?,
        };
        let settings = settings(kind, query)?;
        Ok(Self { kind, device: device.to_string(), settings })
    }
}

impl fmt::Display for LocalCamera {
    /// The address without its settings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.scheme(), self.device)
    }
}

fn v4l2_device(device: &str) -> Result<&str, String> {
    let number = device.trim_start_matches("/dev/").strip_prefix("video").unwrap_or(device);
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "\"{device}\" is another camera after the next start: \"nightjar-eye cameras\" shows the name that stays"
        ));
    }
    let device = device.strip_prefix("/dev/v4l/").unwrap_or(device);
    if let Some(name) = device.strip_prefix("by-id/").or(device.strip_prefix("by-path/")) {
        if name.is_empty() || name.contains('/') || name == ".." {
            return Err(format!("\"{device}\" names no camera: \"nightjar-eye cameras\" shows the names"));
        }
    } else if device.contains('/') {
        return Err(format!(
            "\"{device}\" is neither by-id/…, by-path/… nor a bus: \"nightjar-eye cameras\" shows the names"
        ));
    }
    printable(device)
}

fn csi_device(device: &str) -> Result<&str, String> {
    if device.is_empty() {
        return Ok("0");
    }
    if device.starts_with('/') || device.parse::<u8>().is_ok() {
        return printable(device);
    }
    Err(format!(
        "\"{device}\" is no camera: write csi:0 for the first, or the name that \"nightjar-eye cameras\" shows"
    ))
}

fn test_device(device: &str) -> Result<&str, String> {
    if device.is_empty() {
        return Ok(PATTERNS[0]);
    }
    if PATTERNS.contains(&device) {
        return Ok(device);
    }
    Err(format!("there is no pattern \"{device}\": write one of {}", PATTERNS.join(", ")))
}

fn printable(device: &str) -> Result<&str, String> {
    if device.len() > 255 || device.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(
            "the camera's name has blanks or is too long: copy it from \"nightjar-eye cameras\"".into()
        );
    }
    Ok(device)
}

fn settings(kind: Kind, query: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let wrong = |how: &str| format!("{key}: \"{value}\" is not {how}");
        match key {
            "size" => {
                let sides = value.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
                let good = |(w, h): &(u16, u16)| SIDE.contains(w) && SIDE.contains(h) && w % 2 + h % 2 == 0;
                let size = sides.filter(good);
                let how = "a width and a height such as 1280x720, even, 32 to 3840";
                settings.size = Some(size.ok_or_else(|| wrong(how))?);
            }
            "fps" => {
                let fps = value.parse().ok().filter(|fps| FPS.contains(fps));
                settings.fps = Some(fps.ok_or_else(|| wrong("a whole number from 1 to 120"))?);
            }
            "format" => {
                let form = [Form::H264, Form::Mjpeg, Form::Raw].into_iter().find(|f| f.to_string() == value);
                let form = form.ok_or_else(|| wrong("h264, mjpeg or raw"))?;
                if kind == Kind::Csi {
                    return Err("csi: always gives samples that the board codes: leave format out".into());
                }
                settings.format = Some(form);
            }
            "bitrate" => {
                let rate = config::bit_rate(value).filter(|rate| BIT_RATE.contains(rate));
                settings.bit_rate =
                    Some(rate.ok_or_else(|| wrong("a bit rate such as 2M or 500k, 50k to 50M"))? as u32);
            }
            "gop" => {
                let gop = config::duration(value).map(|gop| gop.as_millis()).filter(|ms| GOP_MS.contains(ms));
                settings.gop_ms = gop.ok_or_else(|| wrong("a time such as 2s, 200ms to 30s"))? as u32;
            }
            _ => return Err(format!("there is no \"{key}\": a local camera has {KEYS}")),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        LocalCamera::parse(text).unwrap_err()
    }

    #[test]
    fn takes_an_address_apart() {
        let text = "v4l2:by-id/usb-046d_HD_Pro_Webcam_C920_0123-video-index0?size=1280x720&fps=30&format=mjpeg&bitrate=2M&gop=1s";
        let camera = LocalCamera::parse(text).unwrap();
        assert_eq!(camera.to_string(), text.split('?').next().unwrap());
        let wanted = Settings {
            size: Some((1280, 720)),
            fps: Some(30),
            format: Some(Form::Mjpeg),
            bit_rate: Some(2_000_000),
            gop_ms: 1_000,
        };
        assert_eq!(camera.settings, wanted);
        for (text, kind, device) in [
            ("v4l2:", Kind::V4l2, ""),
            ("v4l2:usb-0000:01:00.0-1.2", Kind::V4l2, "usb-0000:01:00.0-1.2"),
            (
                "v4l2:/dev/v4l/by-path/platform-xhci-usb-0:1:1.0-video-index0",
                Kind::V4l2,
                "by-path/platform-xhci-usb-0:1:1.0-video-index0",
            ),
            ("csi:0", Kind::Csi, "0"),
            ("csi:/base/soc/i2c0mux/i2c@1/imx219@10", Kind::Csi, "/base/soc/i2c0mux/i2c@1/imx219@10"),
            ("csi:", Kind::Csi, "0"),
            ("test:", Kind::Test, "ball"),
            ("TEST:snow?", Kind::Test, "snow"),
        ] {
            let camera = LocalCamera::parse(text).unwrap();
            assert_eq!(
                (camera.kind, camera.device.as_str(), camera.settings),
                (kind, device, Settings::default()),
                "{text}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong_and_how_it_is_written() {
        for (text, words) in [
            ("v4l2:/dev/video0", "\"nightjar-eye cameras\" shows the name that stays"),
            ("v4l2:video12", "another camera after the next start"),
            ("v4l2:0", "another camera after the next start"),
            ("v4l2:by-id/", "names no camera"),
            ("v4l2:by-id/../../mem", "names no camera"),
            ("v4l2:/dev/mem", "neither by-id"),
            ("v4l2:a b", "blanks"),
            ("csi:front", "csi:0 for the first"),
            ("test:../x", "no pattern \"../x\": write one of ball"),
            ("test:?size=641x360", "size: \"641x360\" is not a width"),
            ("test:?size=99999x9", "size"),
            ("test:?fps=0", "fps: \"0\" is not a whole number from 1 to 120"),
            ("test:?format=h265", "h264, mjpeg or raw"),
            ("csi:0?format=raw", "leave format out"),
            ("test:?bitrate=2", "such as 2M"),
            ("test:?gop=1h", "such as 2s"),
            ("test:?widht=9", "there is no \"widht\": a local camera has size, fps"),
            ("rtsp://x", "is no local camera"),
        ] {
            assert!(refused(text).contains(words), "{text}: {}", refused(text));
        }
    }
}
