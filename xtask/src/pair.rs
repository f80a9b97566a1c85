//! A list of jobs → all done, two at a time, one from each end of it.

use anyhow::{Result, bail};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Whoever fails takes no more; the other goes on to the end. The error is that of the first end, if both fail.
pub(crate) fn each<T: Send>(jobs: Vec<T>, work: &(dyn Fn(T) -> Result<()> + Sync)) -> Result<()> {
    let left = Mutex::new(VecDeque::from(jobs));
    let worker = |is_first: bool| {
        let take = || {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            if is_first { left.pop_front() } else { left.pop_back() }
        };
        std::iter::from_fn(take).try_for_each(work)
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| worker(false));
        worker(true).and(second.join().unwrap_or_else(|_| bail!("one of two workers broke off")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_is_done_once_and_a_failure_is_told() {
        let done = Mutex::new(Vec::new());
        let work = |job: u32| {
            done.lock().unwrap().push(job);
            if job == 7 { bail!("seven") } else { Ok(()) }
        };
        each((0..7).collect(), &work).unwrap();
        done.lock().unwrap().sort_unstable();
        assert_eq!(*done.lock().unwrap(), (0..7).collect::<Vec<_>>());
        assert_eq!(each(vec![7], &work).unwrap_err().to_string(), "seven");
    }
}
