//! Looks of the model at one stream → how many there were, and how many a second.

use nightjar_types::Mono;

/// Share of the newest interval in the average.
const NEWEST: f32 = 0.2;

/// How often one stream is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// Looks since the start.
    pub(crate) looks: u64,
    interval_s: f32,
    last: Option<Mono>,
}

impl Pace {
    /// The model looked at a picture that came in at `mono`.
    pub(crate) fn add(&mut self, mono: Mono) {
        self.looks += 1;
        if let Some(last) = self.last.replace(mono) {
            let interval_s = mono.since(last).as_secs_f32();
            let is_first = self.interval_s == 0.0;
            self.interval_s += (interval_s - self.interval_s) * if is_first { 1.0 } else { NEWEST };
        }
    }

    /// Looks a second; 0 before the second one.
    pub(crate) fn fps(&self) -> f32 {
        if self.interval_s > 0.0 { 1.0 / self.interval_s } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_newest_looks() {
        let mut pace = Pace::default();
        assert_eq!(pace.fps(), 0.0);
        (0..20).for_each(|n| pace.add(Mono(n * 200_000)));
        assert!((pace.fps() - 5.0).abs() < 0.01 && pace.looks == 20, "{pace:?}");
        (1..40).for_each(|n| pace.add(Mono(4_000_000 + n * 1_000_000)));
        assert!((pace.fps() - 1.0).abs() < 0.01, "{pace:?}");
    }
}
