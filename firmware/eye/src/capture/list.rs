//! What is plugged in → lines for a person or JSON for a program: names that stay, formats, what would be chosen.

use super::choose::{self, Offer};
use super::{csi, formats, v4l2};
use crate::cli;
use crate::error::Error;
use gstreamer as gst;
use nightjar_types::capture::Settings;
use serde_json::{Value, json};
use std::io::Write;

/// Prints the list.
pub(super) fn run(args: &cli::Cameras) -> Result<(), Error> {
    gst::init().map_err(|e| Error::Gstreamer(e.to_string()))?;
    let (found, faults) = v4l2::cameras();
    let ribbons = csi::cameras();
    let mut out = std::io::stdout().lock();
    if args.json {
        let usb = found.iter().map(as_json);
        let ribbon =
            ribbons.iter().flatten().map(|name| json!({ "address": format!("csi:{name}"), "name": name }));
        let cameras: Vec<Value> = usb.chain(ribbon).collect();
        let faults: Vec<String> =
            faults.iter().chain(ribbons.as_ref().err()).map(|f| f.words.clone()).collect();
        writeln!(out, "{}", json!({ "cameras": cameras, "faults": faults }))?;
        return Ok(());
    }
    for camera in &found {
        writeln!(out, "v4l2:{}", camera.address)?;
        writeln!(
            out,
            "  {} ({} on {}, now {})",
            camera.name,
            camera.driver,
            camera.bus,
            camera.node.display()
        )?;
        lines(&camera.offers).iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        writeln!(out, "  {}", chosen(&camera.offers))?;
    }
    for (number, name) in ribbons.iter().flatten().enumerate() {
        writeln!(out, "csi:{number}\n  {name}")?;
    }
    for fault in faults.iter().chain(ribbons.as_ref().err()) {
        writeln!(out, "{fault}")?;
    }
    if found.is_empty() && ribbons.as_ref().is_ok_and(Vec::is_empty) {
        writeln!(out, "no camera is plugged in; test: is a made-up one")?;
    }
    Ok(())
}

fn as_json(camera: &v4l2::Found) -> Value {
    let offer = |o: &Offer| {
        let rates: Vec<f64> =
            o.intervals.iter().map(|(n, d)| f64::from(*d) / f64::from((*n).max(1))).collect();
        let form = formats::of(o.fourcc).map(|f| f.form.to_string());
        json!({ "fourcc": formats::letters(o.fourcc), "format": form, "width": o.width, "height": o.height, "fps": rates })
    };
    let choice = choose::choose(&Settings::default(), &camera.offers, false);
    json!({
        "address": format!("v4l2:{}", camera.address), "name": camera.name, "driver": camera.driver, "bus": camera.bus,
        "node": camera.node, "formats": camera.offers.iter().map(offer).collect::<Vec<_>>(),
        "usable": choice.is_ok(), "choice": chosen(&camera.offers),
    })
}

/// A line a format: its sizes with the highest rate of each.
fn lines(offers: &[Offer]) -> Vec<String> {
    let mut lines: Vec<([u8; 4], String)> = Vec::new();
    for offer in offers {
        let most =
            offer.intervals.iter().map(|(n, d)| f64::from(*d) / f64::from((*n).max(1))).fold(0.0, f64::max);
        let rate = if most > 0.0 { format!("@{most:.0}") } else { String::new() };
        let size = format!(" {}x{}{rate}", offer.width, offer.height);
        match lines.iter_mut().find(|(fourcc, _)| *fourcc == offer.fourcc) {
            Some((_, line)) => line.push_str(&size),
            None => {
                let form = formats::of(offer.fourcc).map_or("not usable".to_owned(), |f| f.form.to_string());
                lines.push((offer.fourcc, format!("{} ({form}){size}", formats::letters(offer.fourcc))));
            }
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

fn chosen(offers: &[Offer]) -> String {
    match choose::choose(&Settings::default(), offers, false) {
        Ok(c) => format!(
            "would use {} {}x{} at {} a second",
            formats::letters(c.format.fourcc),
            c.width,
            c.height,
            c.fps
        ),
        Err(why) => why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_one_line() {
        let offer = |fourcc: &[u8; 4], width, fps| Offer {
            fourcc: *fourcc,
            width,
            height: 2,
            intervals: vec![(1, fps), (1, 5)],
        };
        let offers = [offer(b"MJPG", 640, 30), offer(b"MJPG", 320, 60), offer(b"pBAA", 8, 5)];
        assert_eq!(lines(&offers), ["MJPG (mjpeg) 640x2@30 320x2@60", "pBAA (not usable) 8x2@5"]);
        assert_eq!(chosen(&offers), "would use MJPG 640x2 at 15 a second");
    }
}
