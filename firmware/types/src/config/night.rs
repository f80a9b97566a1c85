//! `[night]`: when past recordings are looked at → checked.

use super::value::Span;
use serde::Deserialize;
use std::time::Duration;

/// When past recordings are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Night {
    /// At all.
    pub enabled: bool,
    /// Nothing has moved before any camera for so long.
    pub quiet: Duration,
    /// Share of the processor that others may be using, 0..1.
    pub load: f32,
    /// Hottest that the board may be, °C.
    pub temperature: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Typed {
    enabled: bool,
    quiet: Span,
    load: f32,
    temperature: f32,
}

impl Default for Typed {
    fn default() -> Self {
        Self { enabled: true, quiet: Span::millis(10_000), load: 0.5, temperature: 70.0 }
    }
}

pub(super) fn night(typed: &Typed, fault: &mut dyn FnMut(String)) -> Night {
    let Typed { enabled, quiet, load, temperature } = *typed;
    if !(0.0..=1.0).contains(&load) {
        fault(format!("[night] load: {load} is not a share between 0 and 1"));
    }
    if !(0.0..=110.0).contains(&temperature) {
        fault(format!("[night] temperature: {temperature} is not between 0 and 110 degrees Celsius"));
    }
    if quiet.0 < Duration::from_secs(1) || quiet.0 > Duration::from_secs(3_600) {
        fault("[night] quiet: must be between 1s and 1h".into());
    }
    Night { enabled, quiet: quiet.0, load, temperature }
}
