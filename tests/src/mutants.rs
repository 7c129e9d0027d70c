//! Damaged messages: the same ones on every machine.

/// A generator that is the same on every machine (xorshift).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// A generator that begins with `seed`, which is not zero.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).expect("small")).expect("below a usize")
    }

    /// A mutant of a message: bytes changed, cut, doubled and put in.
    #[must_use]
    pub fn mutant(&mut self, bytes: &[u8]) -> Vec<u8> {
        const PIECES: [&[u8]; 10] =
            [b"\r\n", b",", b"\"", b"%00", b";tag=x", b"<sip:a@b>", b"4294967296", b"\0", b"Via: SIP/2.0/UDP x\r\n", b"\xff\xfe"];
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = u8::try_from(self.below(256)).expect("an octet"),
                1 => bytes.truncate(at.max(20)),
                2 => drop(bytes.drain(at..(at + self.below(40)).min(bytes.len()))),
                3 => {
                    let copy = bytes[at..(at + self.below(80)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => drop(bytes.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
            }
        }
        bytes
    }
}
