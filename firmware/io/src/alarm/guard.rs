//! Address → whether the recorder may be made to speak to it. Pure.
//!
//! Whoever may write a webhook's address must not be able to make this board ask the router, the cameras or itself: the guard
//! looks at the addresses that a name really leads to, and only those that it lets pass are connected to.
//! <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is, if none of the public internet.
pub(super) fn not_public(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => v4(ip),
        IpAddr::V6(ip) => v6(ip),
    }
}

fn v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [127, ..] => Some("an address of this board itself"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("an address of a carrier's network"),
        [224..=239, ..] => Some("a multicast address"),
        [0, ..] | [240..=255, ..] => Some("a reserved address"),
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Some("a reserved address")
        }
        _ => None,
    }
}

fn v6(ip: Ipv6Addr) -> Option<&'static str> {
    let s = ip.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        v4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("an address of this board itself"),
        // IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052), 6to4 (RFC 3056): an IPv4 address in other clothes
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low).or(Some("a reserved address")),
        [0x2002, high, low, ..] => embedded(high, low),
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xff00..=0xffff, ..] => Some("a multicast address"),
        // global unicast is 2000::/3; of that 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and 3fff::/20 for books
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Some("a reserved address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a reserved address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_pass_what_is_public_and_nothing_in_disguise() {
        for public in
            ["1.1.1.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert_eq!(not_public(public.parse().unwrap()), None, "{public}");
        }
        for (ip, kind) in [
            ("127.0.0.1", "this board"),
            ("127.255.255.254", "this board"),
            ("0.0.0.0", "reserved"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("169.254.169.254", "link-local"),
            ("100.64.0.1", "carrier"),
            ("224.0.0.251", "multicast"),
            ("255.255.255.255", "reserved"),
            ("192.0.2.1", "reserved"),
            ("198.18.0.1", "reserved"),
            ("::", "reserved"),
            ("::1", "this board"),
            ("::ffff:127.0.0.1", "this board"),
            ("::ffff:192.168.1.1", "private"),
            ("::7f00:1", "this board"),
            ("64:ff9b::7f00:1", "this board"),
            ("64:ff9b::c0a8:101", "private"),
            ("64:ff9b:1::1", "reserved"),
            ("2002:7f00:1::1", "this board"),
            ("2001::1", "reserved"),
            ("2001:db8::1", "reserved"),
            ("fd00::1", "private"),
            ("fc00::1", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "reserved"),
            ("ff02::1", "multicast"),
            ("4000::1", "reserved"),
        ] {
            let words = not_public(ip.parse().unwrap());
            assert!(words.is_some_and(|words| words.contains(kind)), "{ip}: {words:?}");
        }
    }
}
