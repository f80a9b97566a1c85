//! Values → box bytes (ISO/IEC 14496-12 section 4.2). Lengths are patched when a box closes.

/// A growing run of boxes.
#[derive(Debug, Default)]
pub struct BoxWriter {
    out: Vec<u8>,
}

impl BoxWriter {
    /// Starts with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// Goes on behind what `out` already holds.
    pub fn onto(out: Vec<u8>) -> Self {
        Self { out }
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Nothing yet.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// A box with what `fill` writes.
    pub fn boxed(&mut self, kind: &[u8; 4], fill: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.u32(0);
        self.bytes(kind);
        fill(self);
        let len = (self.out.len() - at) as u32;
        self.out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }

    /// A full box: version and flags first.
    pub fn full(&mut self, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Self)) {
        self.boxed(kind, |w| {
            w.u32(u32::from(version) << 24 | flags & 0x00ff_ffff);
            fill(w);
        });
    }

    /// One byte.
    pub fn u8(&mut self, v: u8) {
        self.out.push(v);
    }

    /// Two bytes, big endian.
    pub fn u16(&mut self, v: u16) {
        self.bytes(&v.to_be_bytes());
    }

    /// Four bytes, big endian.
    pub fn u32(&mut self, v: u32) {
        self.bytes(&v.to_be_bytes());
    }

    /// Four bytes, two's complement, big endian.
    pub fn i32(&mut self, v: i32) {
        self.bytes(&v.to_be_bytes());
    }

    /// Eight bytes, big endian.
    pub fn u64(&mut self, v: u64) {
        self.bytes(&v.to_be_bytes());
    }

    /// As they are.
    pub fn bytes(&mut self, v: &[u8]) {
        self.out.extend_from_slice(v);
    }

    /// `n` zero bytes.
    pub fn zeros(&mut self, n: usize) {
        self.out.resize(self.out.len() + n, 0);
    }

    /// Overwrites four bytes at `at`.
    pub fn patch_u32(&mut self, at: usize, v: u32) {
        self.out[at..at + 4].copy_from_slice(&v.to_be_bytes());
    }
}

/// The head of a `free` box that spans `len` bytes. `len` is at least 8.
pub fn free_head(len: u32) -> [u8; 8] {
    let mut head = *b"\0\0\0\0free";
    head[..4].copy_from_slice(&len.to_be_bytes());
    head
}
