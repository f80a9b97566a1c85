//! NAL units → RTP packets of one picture, each behind its interleaved head (RFC 2326 10.12, RFC 6184 5.6 and 5.8).

use crate::seed::Seed;
use bytes::Bytes;

/// Payload bytes in a packet: what fits an Ethernet frame.
const PAYLOAD: usize = 1400;
/// Dynamic payload type, named in the SDP.
pub(super) const PAYLOAD_TYPE: u8 = 96;
const FU_A: u8 = 28;

/// Numbers the packets of one session.
pub(super) struct Packetiser {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    channel: u8,
}

impl Packetiser {
    pub(super) fn new(ssrc: u32, sequence: u16, channel: u8) -> Self {
        Self { ssrc, sequence, channel }
    }

    /// All packets of one picture; the last one carries the marker.
    pub(super) fn picture(&mut self, nals: &[Bytes], timestamp: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, nal) in nals.iter().enumerate() {
            self.nal(nal, timestamp, i + 1 == nals.len(), &mut out);
        }
        out
    }

    fn nal(&mut self, nal: &Bytes, timestamp: u32, is_last: bool, out: &mut Vec<u8>) {
        if nal.len() <= PAYLOAD {
            return self.packet(timestamp, is_last, &[nal], out);
        }
        let (indicator, kind) = (nal[0] & 0xE0 | FU_A, nal[0] & 31);
        let pieces = nal[1..].chunks(PAYLOAD - 2);
        let count = pieces.len();
        for (i, piece) in pieces.enumerate() {
            let (starts, ends) = (i == 0, i + 1 == count);
            let head = [indicator, u8::from(starts) << 7 | u8::from(ends) << 6 | kind];
            self.packet(timestamp, is_last && ends, &[&head, piece], out);
        }
    }

    /// A packet with a proper head and a payload of random bytes.
    pub(super) fn garbage(&mut self, timestamp: u32, seed: &mut Seed) -> Vec<u8> {
        let length = seed.between(1, PAYLOAD as u64) as usize;
        let mut out = Vec::new();
        self.packet(timestamp, seed.bits() & 1 == 1, &[&seed.bytes(length)], &mut out);
        out
    }

    fn packet(&mut self, timestamp: u32, marker: bool, payload: &[&[u8]], out: &mut Vec<u8>) {
        let length: usize = 12 + payload.iter().map(|part| part.len()).sum::<usize>();
        out.extend([b'$', self.channel]);
        out.extend(u16::try_from(length).expect("a packet is short").to_be_bytes());
        out.extend([0x80, u8::from(marker) << 7 | PAYLOAD_TYPE]);
        out.extend(self.sequence.to_be_bytes());
        out.extend(timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        payload.iter().for_each(|part| out.extend_from_slice(part));
        self.sequence = self.sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_nal_goes_in_pieces_and_comes_together_again() {
        let nal = Bytes::from([vec![0x65], Seed::new(1).bytes(5000)].concat());
        let out = Packetiser::new(1, u16::MAX, 2).picture(std::slice::from_ref(&nal), 90);
        let (mut rest, mut joined, mut markers, mut packets) = (&out[..], vec![nal[0]], 0, 0);
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let packet = &rest[4..4 + length];
            assert_eq!((rest[0], rest[1], packet[12] & 31), (b'$', 2, FU_A));
            joined.extend(&packet[14..]);
            markers += packet[1] >> 7;
            packets += 1;
            rest = &rest[4 + length..];
        }
        assert_eq!((joined, markers, packets), (nal.to_vec(), 1, 4));
    }
}
