//! Problems of each moment → those that began and those that are over. Pure; what comes and goes within moments is none.

use nightjar_types::world::{Problem, ProblemKind, ProblemView};
use nightjar_types::{Mono, Wall};
use std::time::Duration;

/// A problem begins when it has lasted this long, and is over when it has been gone this long.
const SETTLED: Duration = Duration::from_secs(10);

struct Known {
    problem: Problem,
    since: Wall,
    /// When it came up or was gone, last.
    turned: Mono,
    is_there: bool,
    is_told: bool,
}

/// What goes on.
#[derive(Default)]
pub(crate) struct Ongoing(Vec<Known>);

impl Ongoing {
    /// Takes all problems that there are at a moment.
    pub(crate) fn take(&mut self, now: Mono, wall: Wall, problems: Vec<Problem>) -> Vec<ProblemView> {
        let key = |p: &Problem| (p.kind, p.subject.clone());
        let there: Vec<(ProblemKind, String)> = problems.iter().map(key).collect();
        for problem in problems {
            if !self.0.iter().any(|k| key(&k.problem) == key(&problem)) {
                let (since, turned) = (wall, now);
                self.0.push(Known { problem, since, turned, is_there: true, is_told: false });
            }
        }
        for known in &mut self.0 {
            let is_there = there.contains(&key(&known.problem));
            if known.is_there != is_there {
                (known.is_there, known.turned) = (is_there, now);
            }
        }
        self.0.retain(|known| known.is_there || known.is_told);
        let mut news = Vec::new();
        for known in self.0.iter_mut().filter(|known| now.since(known.turned) >= SETTLED) {
            if known.is_there != known.is_told {
                known.is_told = known.is_there;
                news.push(known.view((!known.is_there).then_some(wall)));
            }
        }
        self.0.retain(|known| known.is_there || known.is_told);
        news
    }
}

impl Known {
    fn view(&self, end: Option<Wall>) -> ProblemView {
        let Problem { kind, subject, words } = self.problem.clone();
        ProblemView { kind, subject, words, start_ms: self.since.as_ms(), end_ms: end.map(Wall::as_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offline(words: &str) -> Vec<Problem> {
        vec![Problem { kind: ProblemKind::Camera, subject: "front".into(), words: words.into() }]
    }

    fn at(ongoing: &mut Ongoing, s: u64, problems: Vec<Problem>) -> Vec<(i64, Option<i64>)> {
        let wall = Wall(s as i64 * 1_000_000);
        let news = ongoing.take(Mono(s * 1_000_000), wall, problems);
        news.iter().map(|p| (p.start_ms / 1_000, p.end_ms.map(|ms| ms / 1_000))).collect()
    }

    #[test]
    fn begins_once_and_ends_once() {
        let mut ongoing = Ongoing::default();
        assert!(at(&mut ongoing, 0, offline("no answer for 1 s")).is_empty());
        assert!(at(&mut ongoing, 8, offline("no answer for 9 s")).is_empty());
        assert_eq!(at(&mut ongoing, 10, offline("no answer for 11 s")), [(0, None)]);
        assert!(at(&mut ongoing, 60, offline("no answer for 61 s")).is_empty());
        assert!(at(&mut ongoing, 61, vec![]).is_empty());
        assert!(at(&mut ongoing, 65, offline("no answer")).is_empty(), "back for a moment only");
        assert!(at(&mut ongoing, 70, vec![]).is_empty());
        assert_eq!(at(&mut ongoing, 80, vec![]), [(0, Some(80))]);
        assert!(at(&mut ongoing, 90, vec![]).is_empty() && ongoing.0.is_empty());
    }

    #[test]
    fn what_is_gone_at_once_is_never_told() {
        let mut ongoing = Ongoing::default();
        assert!(at(&mut ongoing, 0, offline("x")).is_empty());
        assert!(at(&mut ongoing, 2, vec![]).is_empty());
        assert!(at(&mut ongoing, 4, offline("x")).is_empty());
        assert!(at(&mut ongoing, 12, offline("x")).is_empty(), "it counts anew");
        assert_eq!(at(&mut ongoing, 14, offline("x")), [(4, None)]);
    }
}
