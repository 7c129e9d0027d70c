//! Messages that were damaged on their way.

use crate::dice::Dice;

/// Bytes that mean something to a SIP reader, and some that do not.
const SPICE: [&[u8]; 20] = [
    b"\r\n",
    b"\n",
    b"\r\n ",
    b"\r\n\r\n",
    b"\0",
    b",",
    b";",
    b"=",
    b"\"",
    b"<",
    b">",
    b"@",
    b":",
    b"%00",
    b"\xFF\xFE",
    b"4294967296",
    b"-1",
    b"\tl: 3\r\n",
    b";tag=",
    b"z9hG4bK",
];
/// Words that are put in each other's place: what comes of it reads well and means something else.
const WORDS: [&[u8]; 12] = [
    b"INVITE",
    b"CANCEL",
    b"BYE",
    b"ACK",
    b"UPDATE",
    b"OPTIONS",
    b"REGISTER",
    b"INFO",
    b"SIP/2.0 200",
    b"SIP/2.0 180",
    b"SIP/2.0 486",
    b"SIP/2.0 401",
];

/// The message with one to four things wrong.
pub(crate) fn damage(message: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = message.to_vec();
    for _ in 0..=dice.below(4) {
        let (one, other) = (dice.index(bytes.len() + 1), dice.index(bytes.len() + 1));
        let (from, to) = (one.min(other), one.max(other));
        match dice.below(7) {
            0 if from < bytes.len() => bytes[from] = dice.next().to_le_bytes()[0],
            1 => drop(bytes.splice(from..from, dice.pick(&SPICE).iter().copied())),
            2 => drop(bytes.drain(from..to.min(from + 40))),
            3 => {
                let copy = bytes[from..to.min(from + 200)].to_vec();
                drop(bytes.splice(to..to, copy));
            }
            4 => bytes.truncate(to),
            5 => {
                let (word, new) = (*dice.pick(&WORDS), *dice.pick(&WORDS));
                if let Some(at) = bytes.windows(word.len()).position(|window| window == word) {
                    drop(bytes.splice(at..at + word.len(), new.iter().copied()));
                }
            }
            _ => drop(bytes.splice(from..to.min(from + 8), dice.pick(&SPICE).iter().copied())),
        }
    }
    bytes
}
