//! A pair of addresses → packets of every kind from one to the other; on the far side, how many of each arrived.
//!
//! RFC 791 (IPv4), RFC 768 (UDP), RFC 792 (ICMP), RFC 4443 (ICMPv6).

use crate::network::Space;
use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

/// Probes go to this port, which nothing else here uses.
const PORT: u16 = 4242;
/// How often each is sent: a first packet may wait for its neighbour's address in vain.
const TIMES: usize = 3;
/// Packets that [`send_all`], [`send_as`] and [`send_like_dhcp`] send at least: TCP, UDP, ICMP; one; two.
pub const SENT: u64 = 6 * TIMES as u64;

/// Counts probes that arrive at a machine before anything of that machine can refuse them.
const COUNTERS: &str = "table inet seen {
    counter by_tcp { }
    counter by_udp { }
    counter by_icmp { }
    counter by_spoofed { }
    counter by_dhcp { }
    chain arriving {
        type filter hook prerouting priority raw; policy accept;
        tcp dport 4242 counter name by_tcp
        udp dport 4242 udp sport 4242 counter name by_spoofed accept
        udp dport 4242 counter name by_udp
        udp dport { 67, 68 } udp sport { 67, 68 } counter name by_dhcp
        icmp type echo-request counter name by_icmp
        icmpv6 type echo-request counter name by_icmp
    }
}";

/// Begins to count at `space`, from nothing.
pub fn count_at(space: &Space) {
    let _ = space.run(&["nft", "delete table inet seen"]);
    space.output(&["nft", COUNTERS]);
}

/// What arrived since: kind → packets.
pub fn arrived(space: &Space) -> BTreeMap<String, u64> {
    let text = space.output(&["nft", "-j", "list counters table inet seen"]);
    let all: Value = serde_json::from_str(&text).expect("nft prints JSON");
    let all = all["nftables"].as_array().cloned().unwrap_or_default();
    let counters = all.iter().map(|item| &item["counter"]).filter(|counter| counter.is_object());
    let pair = |c: &Value| Some((c["name"].as_str()?.to_owned(), c["packets"].as_u64()?));
    counters.filter_map(pair).collect()
}

/// The same for several machines: "kind at name" → packets.
pub fn arrived_at(machines: &[(&str, &Space)]) -> Vec<(String, u64)> {
    let of = |(name, space): &(&str, &Space)| {
        let name = name.to_string();
        arrived(space).into_iter().map(move |(kind, packets)| (format!("{kind} at {name}"), packets))
    };
    machines.iter().flat_map(of).collect()
}

/// Sends each kind from `space` to `to`. What is refused or gets no answer is what is looked at on the far side.
pub fn send_all(space: &Space, to: IpAddr) {
    space.enter(|| {
        for _ in 0..TIMES {
            let at = SocketAddr::new(to, PORT);
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let _ = TcpStream::connect_timeout(&at, Duration::from_millis(100));
            let _ = UdpSocket::bind(any).and_then(|udp| udp.send_to(b"probe", at));
            ping(to);
        }
    });
}

/// Sends datagrams to `to` that say they are from `from`.
pub fn send_as(space: &Space, from: Ipv4Addr, to: Ipv4Addr) {
    send_raw(space, SocketAddrV4::new(from, PORT), SocketAddrV4::new(to, PORT));
}

/// Sends datagrams to `to` that look like DHCP between the two, which firewalls tend to let through.
pub fn send_like_dhcp(space: &Space, from: Ipv4Addr, to: Ipv4Addr) {
    send_raw(space, SocketAddrV4::new(from, 68), SocketAddrV4::new(to, 67));
    send_raw(space, SocketAddrV4::new(from, 67), SocketAddrV4::new(to, 68));
}

fn send_raw(space: &Space, from: SocketAddrV4, to: SocketAddrV4) {
    space.enter(|| {
        let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::RAW)).expect("root may");
        for _ in 0..TIMES {
            let _ = sendto(&raw, &datagram(from, to), SendFlags::empty(), &SocketAddrV4::new(*to.ip(), 0));
        }
    });
}

/// An echo request. The kernel fills in ICMPv6's checksum (RFC 3542, section 3.1).
fn ping(to: IpAddr) {
    let (family, protocol, kind) = match to {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, 8),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, 128),
    };
    let checksum = (!(u16::from(kind) << 8)).to_be_bytes();
    let message = [kind, 0, checksum[0], checksum[1], 0, 0, 0, 0];
    let raw = socket(family, SocketType::RAW, Some(protocol)).expect("root may");
    let _ = sendto(&raw, &message, SendFlags::empty(), &SocketAddr::new(to, 0));
}

/// IPv4 and UDP headers without payload; the kernel fills in length and checksum of the first (raw(7)).
fn datagram(from: SocketAddrV4, to: SocketAddrV4) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend([from.ip().octets(), to.ip().octets()].concat());
    packet.extend([from.port().to_be_bytes(), to.port().to_be_bytes(), 8u16.to_be_bytes(), [0, 0]].concat());
    packet
}
