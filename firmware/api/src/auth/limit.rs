//! Tries of a secret (login, setup code) → go ahead, or wait. Pure: the time is an argument, memory is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses remembered at once; beyond that the one that tried longest ago is forgotten (the global bucket still holds).
const MAX_ADDRESSES: usize = 1_024;
/// Tries of one address without a wait: a person who mistypes does not notice the limit.
const FREE_TRIES: u32 = 5;
/// First wait; doubles with every further try.
const FIRST_WAIT_MS: i64 = 1_000;
/// Longest wait.
const MAX_WAIT_MS: i64 = 300_000;
/// An address that stayed quiet this long starts anew.
const FORGET_MS: i64 = 900_000;
/// Tries of all addresses together before the bucket is empty.
const BURST: i64 = 30;
/// One more try for all every two seconds: 40 bits of setup code last for tens of thousands of years.
const REFILL_MS: i64 = 2_000;

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last_ms: i64,
    wait_until_ms: i64,
}

/// Counts tries per address and in all.
#[derive(Debug)]
pub(crate) struct Limiter {
    addresses: HashMap<IpAddr, Tries>,
    /// Milliseconds of refill in the bucket, 0..=BURST * REFILL_MS.
    bucket_ms: i64,
    filled_ms: i64,
}

impl Limiter {
    /// Full bucket, nobody known.
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { addresses: HashMap::new(), bucket_ms: BURST * REFILL_MS, filled_ms: now_ms }
    }

    /// Charges one try before its secret is looked at, so that tries at the same moment cannot slip through.
    /// `Err` is the wait in seconds. A clock that is set back starts the address anew and fills nothing.
    pub(crate) fn attempt(&mut self, from: IpAddr, now_ms: i64) -> Result<(), u64> {
        let from = network(from);
        let passed = now_ms.saturating_sub(self.filled_ms).clamp(0, BURST * REFILL_MS);
        self.filled_ms = now_ms;
        self.bucket_ms = (self.bucket_ms + passed).min(BURST * REFILL_MS);

        let known = self.addresses.get(&from).copied();
        let mut tries = known
            .filter(|t| (0..FORGET_MS).contains(&now_ms.saturating_sub(t.last_ms)))
            .unwrap_or(Tries { count: 0, last_ms: now_ms, wait_until_ms: i64::MIN });
        if now_ms < tries.wait_until_ms {
            return Err(seconds(tries.wait_until_ms - now_ms));
        }
        if self.bucket_ms < REFILL_MS {
            return Err(seconds(REFILL_MS - self.bucket_ms));
        }
        self.bucket_ms -= REFILL_MS;
        tries.count += 1;
        tries.last_ms = now_ms;
        if tries.count >= FREE_TRIES {
            let doublings = (tries.count - FREE_TRIES).min(20);
            tries.wait_until_ms = now_ms + (FIRST_WAIT_MS << doublings).min(MAX_WAIT_MS);
        }
        self.remember(from, tries);
        Ok(())
    }

    /// The secret was right: the address is forgiven and the try given back.
    pub(crate) fn succeeded(&mut self, from: IpAddr) {
        self.addresses.remove(&network(from));
        self.bucket_ms = (self.bucket_ms + REFILL_MS).min(BURST * REFILL_MS);
    }

    fn remember(&mut self, from: IpAddr, tries: Tries) {
        if self.addresses.len() >= MAX_ADDRESSES && !self.addresses.contains_key(&from) {
            let oldest = self.addresses.iter().min_by_key(|(_, t)| t.last_ms).map(|(ip, _)| *ip);
            if let Some(oldest) = oldest {
                self.addresses.remove(&oldest);
            }
        }
        self.addresses.insert(from, tries);
    }
}

/// An IPv6 host owns its /64 and may pick any address in it; IPv4 in IPv6 counts as IPv4.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
    }
}

fn seconds(ms: i64) -> u64 {
    u64::try_from(ms.max(1)).unwrap_or(1).div_ceil(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn waits_double_and_end() {
        let mut limiter = Limiter::new(0);
        for _ in 0..FREE_TRIES {
            assert_eq!(limiter.attempt(ip(1), 0), Ok(()));
        }
        assert_eq!(limiter.attempt(ip(1), 0), Err(1));
        assert_eq!(limiter.attempt(ip(2), 0), Ok(()), "others are not punished");
        assert_eq!(limiter.attempt(ip(1), 1_000), Ok(()));
        assert_eq!(limiter.attempt(ip(1), 1_000), Err(2));
        let mut now = 1_000;
        for _ in 0..30 {
            now += MAX_WAIT_MS;
            assert_eq!(limiter.attempt(ip(1), now), Ok(()));
        }
        assert_eq!(limiter.attempt(ip(1), now), Err(300));
        assert_eq!(limiter.attempt(ip(1), now + FORGET_MS), Ok(()));
        assert_eq!(limiter.attempt(ip(1), now + FORGET_MS), Ok(()));
    }

    #[test]
    fn a_crowd_of_addresses_shares_one_bucket_and_bounded_memory() {
        let mut limiter = Limiter::new(0);
        let passed = (0..10_000).filter(|n| limiter.attempt(ip(*n), 0).is_ok()).count();
        assert_eq!(passed as i64, BURST);
        for n in 0..5_000u32 {
            let _ = limiter.attempt(ip(n + 20_000), i64::from(n) * REFILL_MS);
        }
        assert!(limiter.addresses.len() <= MAX_ADDRESSES);
    }

    #[test]
    fn success_forgives() {
        let mut limiter = Limiter::new(0);
        for _ in 0..1_000 {
            assert_eq!(limiter.attempt(ip(1), 0), Ok(()));
            limiter.succeeded(ip(1));
        }
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut limiter = Limiter::new(1_000_000_000);
        for _ in 0..FREE_TRIES {
            assert_eq!(limiter.attempt(ip(1), 1_000_000_000), Ok(()));
        }
        assert_eq!(limiter.attempt(ip(1), 5), Ok(()));
    }

    #[test]
    fn neighbours_in_one_ipv6_network_are_one() {
        let a: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let b: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        assert_eq!(network(a), network(b));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), "10.0.0.1".parse::<IpAddr>().unwrap());
    }
}
