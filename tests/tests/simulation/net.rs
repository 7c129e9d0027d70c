//! The wire: datagrams get lost, doubled, delayed and overtake each other.

use std::collections::BTreeSet;

use crate::dice::Dice;

/// What the wire does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    /// Of a hundred, so many are lost.
    pub(crate) loss: u64,
    /// Of a hundred, so many arrive twice.
    pub(crate) doubles: u64,
    /// A datagram takes so long at least and at most, in ms.
    pub(crate) delay_ms: (u64, u64),
}

/// A bad day.
pub(crate) const BAD: Faults = Faults { loss: 20, doubles: 5, delay_ms: (1, 80) };
/// A wire that only takes its time.
pub(crate) const GOOD: Faults = Faults { loss: 0, doubles: 0, delay_ms: (1, 20) };

pub(crate) struct Net {
    pub(crate) faults: Faults,
    dice: Dice,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Callers whose device fell off the network. Their numbers begin with `v`.
    vanished: BTreeSet<String>,
}

impl Net {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { faults: BAD, dice: Dice::new(seed), sent: 0, lost: 0, vanished: BTreeSet::new() }
    }

    pub(crate) fn vanish(&mut self, number: &str) {
        self.vanished.insert(number.to_owned());
    }

    /// When the copies of a datagram arrive, in ms from now. `of_callers`: it is on the wire of the callers.
    pub(crate) fn fate(&mut self, bytes: &[u8], of_callers: bool) -> [Option<u64>; 2] {
        self.sent += 1;
        if self.dice.percent(self.faults.loss) || (of_callers && self.is_cut_off(bytes)) {
            self.lost += 1;
            return [None, None];
        }
        let (low, high) = self.faults.delay_ms;
        let first = self.dice.between(low, high);
        let second = self.dice.percent(self.faults.doubles).then(|| self.dice.between(low, high));
        [Some(first), second]
    }

    /// Callers with an `m` never acknowledge anything; those who vanished say and hear nothing.
    fn is_cut_off(&self, bytes: &[u8]) -> bool {
        if bytes.starts_with(b"ACK ") && number_with(bytes, b"<sip:m").is_some() {
            return true;
        }
        !self.vanished.is_empty() && number_with(bytes, b"<sip:v").is_some_and(|number| self.vanished.contains(number))
    }
}

/// The first user part that begins like this.
fn number_with<'a>(bytes: &'a [u8], begin: &[u8]) -> Option<&'a str> {
    let at = bytes.windows(begin.len()).position(|window| window == begin)? + begin.len() - 1;
    let end = bytes[at..].iter().position(|byte| *byte == b'@')?;
    str::from_utf8(&bytes[at..at + end]).ok()
}
