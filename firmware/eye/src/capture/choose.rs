//! What a camera offers and what is wanted of it → one format, size and rate, or words that say what there is.
//!
//! Coded by the camera costs nothing here, so it comes first; then JPEG, which leaves room on the USB bus; then samples.

use super::formats::{self, FORMATS};
use nightjar_types::capture::{Form, Settings};
use std::collections::BTreeSet;

/// Largest picture that is chosen by itself when the camera codes it.
const NATIVE: (u32, u32) = (1920, 1080);
/// Largest picture that is chosen by itself when we code it: at 15 a second 720p takes 14 % of a core of the x86 machine this
/// was written on, 1080p 30 % (`nightjar-eye capture test:?size=1920x1080&fps=15`); a board's core does a fraction of that.
const CODED: (u32, u32) = (1280, 720);
/// Pictures a second when nothing is said and the camera codes them.
const NATIVE_FPS: u32 = 30;
/// The same when we code them.
const CODED_FPS: u32 = 15;
/// Fewer pictures a second make no video: webcams give their largest sizes so slowly when they are raw.
const LEAST_FPS: u32 = 8;

/// One format in one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) fourcc: [u8; 4],
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Times from picture to picture, in seconds as numerator and denominator. Empty when the driver does not know.
    pub(crate) intervals: Vec<(u32, u32)>,
}

/// What is asked of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) format: &'static formats::Format,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) interval: Option<(u32, u32)>,
    /// Pictures a second that are handed on.
    pub(crate) fps: u32,
    /// The camera gives more than that: some are dropped before they are coded.
    pub(crate) thins: bool,
}

/// Pictures a second, rounded.
fn fps_of((numerator, denominator): (u32, u32)) -> u32 {
    let (numerator, denominator) = (u64::from(numerator.max(1)), u64::from(denominator));
    ((denominator + numerator / 2) / numerator).min(u64::from(u32::MAX)) as u32
}

fn area(offer: &Offer) -> u64 {
    u64::from(offer.width) * u64::from(offer.height)
}

/// Chooses. `shares` says that a second, small stream is made of the same pictures: those must be seen, not only passed on.
pub(crate) fn choose(wanted: &Settings, offers: &[Offer], shares: bool) -> Result<Choice, String> {
    let mut rest: Vec<(&'static formats::Format, &Offer)> = offers
        .iter()
        .filter(|offer| offer.width % 2 + offer.height % 2 == 0 && offer.width > 0 && offer.height > 0)
        .filter_map(|offer| Some((formats::of(offer.fourcc)?, offer)))
        .collect();
    if rest.is_empty() {
        return Err(no_format(offers));
    }
    if shares {
        if wanted.format == Some(Form::H264) {
            return Err("a sub stream can't be made of pictures that the camera codes: take format=h264 out, or leave sub out".into());
        }
        rest.retain(|(format, _)| format.form != Form::H264);
        if rest.is_empty() {
            return Err(
                "the camera gives coded pictures only, of which no sub stream can be made: leave sub out"
                    .into(),
            );
        }
    }
    if let Some(form) = wanted.format {
        let forms: BTreeSet<String> = rest.iter().map(|(format, _)| format.form.to_string()).collect();
        rest.retain(|(format, _)| format.form == form);
        if rest.is_empty() {
            let there = forms.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!("the camera gives no {form}: write format={there} or leave it out"));
        }
    }
    if let Some((width, height)) = wanted.size {
        let sizes = sizes(&rest);
        rest.retain(|(_, offer)| (offer.width, offer.height) == (u32::from(width), u32::from(height)));
        if rest.is_empty() {
            return Err(format!("the camera has no size {width}x{height}: it has {sizes}"));
        }
    }
    let all: Vec<Choice> = rest.iter().map(|(format, offer)| take(wanted, format, offer)).collect();
    // Every part of this key is better when greater; the table's order decides last.
    let key = |choice: &Choice| {
        let form = choice.format.form;
        let limit = if form == Form::H264 { NATIVE } else { CODED };
        let pixels = u64::from(choice.width) * u64::from(choice.height);
        let fits = wanted.size.is_some() || choice.width <= limit.0 && choice.height <= limit.1;
        let least = wanted.fps.map_or(LEAST_FPS, |fps| u32::from(fps) * 9 / 10);
        let place = FORMATS.iter().position(|row| row == choice.format).unwrap_or(FORMATS.len());
        let size = if fits { i128::from(pixels) } else { -i128::from(pixels) };
        (choice.fps >= least, fits, std::cmp::Reverse(form), size, choice.fps, std::cmp::Reverse(place))
    };
    all.into_iter().max_by_key(key).ok_or_else(|| no_format(offers))
}

/// The rate of one format and size that comes nearest to what is wanted.
fn take(wanted: &Settings, format: &'static formats::Format, offer: &Offer) -> Choice {
    let default = if format.form == Form::H264 { NATIVE_FPS } else { CODED_FPS };
    let aim = wanted.fps.map_or(default, u32::from);
    let slower = offer.intervals.iter().filter(|i| fps_of(**i) <= aim).max_by_key(|i| fps_of(**i));
    let faster = offer.intervals.iter().filter(|i| fps_of(**i) > aim).min_by_key(|i| fps_of(**i));
    let can_thin = format.form != Form::H264;
    // A faster rate, thinned where it can be, meets the wish better than one that is far too slow.
    let interval = match (slower, faster) {
        (Some(slow), Some(fast)) if fps_of(*slow) * 10 < aim * 9 => Some(*fast),
        (Some(slow), _) => Some(*slow),
        (None, fast) => fast.copied(),
    };
    let given = interval.map_or(aim, fps_of).max(1);
    let thins = can_thin && given > aim;
    Choice {
        format,
        width: offer.width,
        height: offer.height,
        interval,
        fps: if thins { aim } else { given },
        thins,
    }
}

fn no_format(offers: &[Offer]) -> String {
    let there: BTreeSet<String> = offers.iter().map(|offer| formats::letters(offer.fourcc)).collect();
    if there.is_empty() {
        return "the camera offers no format at all: is something plugged into it?".into();
    }
    let there = there.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "the camera gives only {there}, which can't be coded here: if it is on a ribbon cable, write csi:0"
    )
}

fn sizes(offers: &[(&'static formats::Format, &Offer)]) -> String {
    let mut sizes: Vec<&Offer> = offers.iter().map(|(_, offer)| *offer).collect();
    sizes.sort_by_key(|offer| (area(offer), offer.width));
    let mut words: Vec<String> = sizes.iter().map(|o| format!("{}x{}", o.width, o.height)).collect();
    words.dedup();
    words.join(", ")
}

#[cfg(test)]
mod tests;
