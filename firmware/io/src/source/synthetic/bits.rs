//! Numbers → bits → NAL unit. ITU-T H.264 clauses 7.2, 7.3.1 and 9.1.

/// A raw byte sequence payload that grows bit by bit, most significant first.
#[derive(Debug, Default)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    /// Bits used in the last byte, 0 when it is full.
    used: u32,
}

impl Bits {
    /// u(n): the low `count` bits of `value`.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().expect("a byte was pushed when none was begun");
            *last |= ((value >> at & 1) as u8) << (7 - self.used);
            self.used = (self.used + 1) % 8;
        }
    }

    /// u(1).
    pub(super) fn flag(&mut self, value: bool) {
        self.put(u32::from(value), 1);
    }

    /// ue(v): Exp-Golomb, clause 9.1.
    pub(super) fn ue(&mut self, value: u32) {
        let code = value + 1;
        let len = 32 - code.leading_zeros();
        self.put(0, len - 1);
        self.put(code, len);
    }

    /// se(v): signed Exp-Golomb, clause 9.1.1.
    pub(super) fn se(&mut self, value: i32) {
        let magnitude = value.unsigned_abs() * 2;
        self.ue(if value > 0 { magnitude - 1 } else { magnitude });
    }

    /// Zero bits up to the next byte, then `bytes` as they are.
    pub(super) fn aligned(&mut self, bytes: &[u8]) {
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the payload (clause 7.3.2.11) and wraps it: header byte, then the payload with emulation prevention.
    pub(super) fn into_nal(mut self, header: u8) -> Vec<u8> {
        self.put(1, 1);
        let mut nal = Vec::with_capacity(self.bytes.len() + self.bytes.len() / 64 + 1);
        nal.push(header);
        let mut zeros = 0;
        for byte in self.bytes {
            if zeros == 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_the_codes_of_table_9_2() {
        let mut bits = Bits::default();
        for value in 0..5 {
            bits.ue(value); // 1 010 011 00100 00101
        }
        assert_eq!(bits.bytes, [0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let mut bits = Bits::default();
        for value in [0, 1, -1, 2] {
            bits.se(value); // 1 010 011 00100
        }
        assert_eq!(bits.bytes, [0b1010_0110, 0b0100_0000]);
    }

    #[test]
    fn aligns_raw_bytes_and_ends_with_a_one() {
        let mut bits = Bits::default();
        bits.flag(true);
        bits.aligned(&[7]);
        assert_eq!(bits.into_nal(0x65), [0x65, 0x80, 7, 0x80]);
    }

    proptest! {
        #[test]
        fn a_nal_never_looks_like_a_start_code_and_reads_back(payload in proptest::collection::vec(0u8..5, 0..200)) {
            let mut bits = Bits::default();
            bits.aligned(&payload);
            let nal = bits.into_nal(0x65);
            prop_assert!(nal.windows(3).all(|w| !(w[0] == 0 && w[1] == 0 && w[2] < 3)));
            let (mut read, mut zeros) = (Vec::new(), 0);
            for &byte in &nal[1..] {
                if zeros == 2 && byte == 3 {
                    zeros = 0;
                    continue;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                read.push(byte);
            }
            prop_assert_eq!(read.split_last(), Some((&0x80, payload.as_slice())));
        }
    }
}
