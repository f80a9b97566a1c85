//! Cameras on a ribbon cable, as libcamera's GStreamer plugin knows them: their names, and what a pipeline needs set.

use super::fault::Fault;
use gstreamer::{self as gst, prelude::*};

/// The plugin's parts.
const ELEMENT: &str = "libcamerasrc";
const PROVIDER: &str = "libcameraprovider";

/// Names of all ribbon cameras, in libcamera's order; an error when the plugin is not there.
pub(crate) fn cameras() -> Result<Vec<String>, Fault> {
    if gst::ElementFactory::find(ELEMENT).is_none() {
        return Err(Fault::unusable("libcamera's plugin is missing: install gstreamer1.0-libcamera"));
    }
    let provider = gst::DeviceProviderFactory::by_name(PROVIDER);
    let Some(provider) = provider else { return Ok(Vec::new()) };
    Ok(provider.devices().iter().map(|device| device.display_name().to_string()).collect())
}

/// libcamera's name of `0`, `1`, … or of a name.
pub(crate) fn name(device: &str) -> Result<String, Fault> {
    let there = cameras()?;
    let found = match device.parse::<usize>() {
        Ok(number) => there.get(number),
        Err(_) => there.iter().find(|name| *name == device),
    };
    if let Some(name) = found {
        return Ok(name.clone());
    }
    Err(Fault::gone(match there.len() {
        0 => {
            "libcamera sees no camera: check the ribbon cable, and the camera's line in config.txt".to_owned()
        }
        n => format!("libcamera sees {n} cameras, \"{device}\" is none of them: {}", there.join(", ")),
    }))
}

/// Which camera, and that the second output is the small one.
pub(crate) fn set_up(pipeline: &gst::Pipeline, name: &str) {
    let Some(camera) = pipeline.by_name("camera") else { return };
    camera.set_property("camera-name", name);
    if let Some(small) = camera.static_pad("src_0") {
        small.set_property_from_str("stream-role", "view-finder");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_is_not_there_is_told_with_the_mend() {
        gst::init().unwrap();
        match cameras() {
            Err(fault) => assert!(fault.words.contains("gstreamer1.0-libcamera"), "{fault}"),
            Ok(there) => {
                let fault = name("200").err().unwrap();
                assert!(
                    fault.words.contains(if there.is_empty() { "ribbon cable" } else { "none of them" }),
                    "{fault}"
                );
            }
        }
    }
}
