//! What was read of a UDP socket and waits its turn: what is under way before what begins.
//!
//! The system's queue of a socket is short and knows one order. When more comes than can be worked off, the replies,
//! ACKs and BYEs of calls that are up wait behind new calls that will be refused, and get lost with them; each is then
//! sent again. So datagrams are read out of that queue as fast as they come, which costs little, and wait here in two
//! lines. Nobody starves: of [`SHARE`] that are taken, one is of the line of those that begin something.

use std::{collections::VecDeque, net::SocketAddr};

use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};

/// Datagrams in each line at most; more are dropped, as the system would: a sender repeats what was lost.
const MOST: usize = 8_192;
/// And so many bytes of them: long datagrams must not cost more memory than many short ones.
const MOST_BYTES: usize = 8 << 20;
/// While both lines wait, one of so many is of what begins.
const SHARE: u32 = 8;
/// Requests of these methods begin something, unless they name a dialog. A CANCEL must not overtake its INVITE; it names what
/// that names (RFC 3261 section 9.1).
const BEGIN: [&[u8]; 8] = [b"INVITE ", b"CANCEL ", b"REGISTER ", b"OPTIONS ", b"SUBSCRIBE ", b"MESSAGE ", b"PUBLISH ", b"REFER "];

/// How far a To is looked for.
const HEAD_BYTES: usize = 2_048;

/// Whether a request names a dialog: its To has a tag. Who lies is told so by the endpoint, as for a BYE.
fn is_in_dialog(request: &[u8]) -> bool {
    let head = &request[..request.len().min(HEAD_BYTES)];
    memchr_iter(b'\n', head).find_map(|end| to_of(&head[end + 1..])).is_some_and(has_tag)
}

/// The rest of a line that is a To.
fn to_of(line: &[u8]) -> Option<&[u8]> {
    let name = line.get(..3)?;
    let rest =
        if name[..2].eq_ignore_ascii_case(b"to") { &line[2..] } else { line.strip_prefix(b"t").or(line.strip_prefix(b"T"))? };
    let value = rest.trim_ascii_start().strip_prefix(b":")?;
    Some(&value[..memchr(b'\n', value).unwrap_or(value.len())])
}

fn has_tag(to: &[u8]) -> bool {
    let params = memrchr(b'>', to).map_or(to, |at| &to[at..]);
    memchr_iter(b';', params).any(|at| {
        let param = params[at + 1..].trim_ascii_start();
        param.get(..3).is_some_and(|name| name.eq_ignore_ascii_case(b"tag"))
    })
}

/// A datagram and its sender.
type Datagram = (Bytes, SocketAddr);

/// What is taken next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Datagram(Datagram),
    /// What came from ourselves, to see how long the line of those that begin something is.
    Probe,
}

/// The two lines.
#[derive(Debug, Default)]
pub(super) struct Staging {
    under_way: VecDeque<Datagram>,
    beginning: VecDeque<Taken>,
    /// Bytes in either line.
    under_way_bytes: usize,
    beginning_bytes: usize,
    /// Taken of what is under way, since the last of the others.
    ahead: u32,
    dropped: u64,
}

impl Staging {
    /// Puts a datagram in its line.
    pub(super) fn put(&mut self, bytes: Bytes, from: SocketAddr) {
        if BEGIN.iter().any(|method| bytes.starts_with(method)) && !is_in_dialog(&bytes) {
            if self.beginning.len() < MOST && self.beginning_bytes + bytes.len() <= MOST_BYTES {
                self.beginning_bytes += bytes.len();
                return self.beginning.push_back(Taken::Datagram((bytes, from)));
            }
        } else if self.under_way.len() < MOST && self.under_way_bytes + bytes.len() <= MOST_BYTES {
            self.under_way_bytes += bytes.len();
            return self.under_way.push_back((bytes, from));
        }
        self.dropped += 1;
    }

    /// Puts the probe behind all that wait to begin something.
    pub(super) fn put_probe(&mut self) {
        self.beginning.push_back(Taken::Probe);
    }

    /// The next one.
    pub(super) fn take(&mut self) -> Option<Taken> {
        let beginning = self.ahead >= SHARE || self.under_way.is_empty();
        if beginning && let Some(next) = self.beginning.pop_front() {
            self.ahead = 0;
            if let Taken::Datagram((bytes, _)) = &next {
                self.beginning_bytes -= bytes.len();
            }
            return Some(next);
        }
        self.ahead = self.ahead.saturating_add(1);
        let next = self.under_way.pop_front()?;
        self.under_way_bytes -= next.0.len();
        Some(Taken::Datagram(next))
    }

    /// Whether nothing of what is under way waits.
    pub(super) fn is_clear(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether nothing waits at all.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.beginning.is_empty()
    }

    /// Datagrams that found their line full, since this was last asked.
    pub(super) fn dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(staging: &mut Staging, text: &str) {
        staging.put(Bytes::copy_from_slice(text.as_bytes()), ([127, 0, 0, 1], 5060).into());
    }

    fn take(staging: &mut Staging) -> String {
        match staging.take() {
            Some(Taken::Datagram((bytes, _))) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Taken::Probe) => "probe".into(),
            None => "nothing".into(),
        }
    }

    #[test]
    fn what_is_under_way_comes_first_and_each_line_keeps_its_order() {
        let mut staging = Staging::default();
        for text in ["INVITE 1", "SIP/2.0 200", "CANCEL 1", "BYE 3", "ACK 4"] {
            put(&mut staging, text);
        }
        staging.put_probe();
        let order: Vec<_> = (0..7).map(|_| take(&mut staging)).collect();
        assert_eq!(order, ["SIP/2.0 200", "BYE 3", "ACK 4", "INVITE 1", "CANCEL 1", "probe", "nothing"]);
    }

    #[test]
    fn requests_in_a_dialog_are_under_way() {
        let mut staging = Staging::default();
        let of = |method: &str, to: &str| format!("{method} sip:1@x SIP/2.0\r\nFrom: <sip:1@x>;tag=a\r\n{to}\r\n\r\n");
        let begins = [("INVITE", "To: <sip:1@x;tag=no>"), ("CANCEL", "To: \"tag\" <sip:1@x>"), ("REFER", "TopSecret: ;tag=1")];
        let inside = [("INVITE", "To: <sip:1@x>;tag=b"), ("CANCEL", "t : sip:1@x ;x; TAG=b"), ("REFER", "TO:<sip:1@x> ; tag=b")];
        for (method, to) in begins.into_iter().chain(inside) {
            put(&mut staging, &of(method, to));
        }
        let order: Vec<_> = (0..6).map(|_| take(&mut staging)).collect();
        let wanted: Vec<_> = inside.into_iter().chain(begins).map(|(method, to)| of(method, to)).collect();
        assert_eq!(order, wanted);
        // Whatever it is, it is in one of the lines.
        for text in ["INVITE ", "INVITE \n", "INVITE \nT", "INVITE \nTo", "INVITE \nTo:;", "INVITE \nt:\nt:;tag"] {
            put(&mut staging, text);
            assert_eq!(take(&mut staging), text);
        }
    }

    #[test]
    fn nobody_starves_and_nothing_grows_for_ever() {
        let mut staging = Staging::default();
        for n in 0..MOST + 10 {
            put(&mut staging, &format!("BYE {n}"));
            put(&mut staging, &format!("INVITE {n}"));
        }
        assert_eq!((staging.dropped(), staging.dropped()), (20, 0));
        let served: Vec<_> = (0..90).map(|_| take(&mut staging)).filter(|text| text.starts_with("INVITE")).collect();
        assert_eq!(served.len(), 10);
        assert_eq!(served[9], "INVITE 9");
    }

    #[test]
    fn long_datagrams_fill_a_line_sooner_and_leave_room_when_they_are_taken() {
        let (mut staging, long) = (Staging::default(), format!("INVITE {}", "x".repeat(65_000)));
        for _ in 0..1_000 {
            put(&mut staging, &long);
        }
        let fit = MOST_BYTES / long.len();
        assert_eq!(staging.dropped(), 1_000 - fit as u64);
        while staging.take().is_some() {}
        put(&mut staging, &long);
        put(&mut staging, &long.replace("INVITE", "BYE"));
        assert_eq!((staging.dropped(), staging.beginning.len(), staging.under_way.len()), (0, 1, 1));
    }
}
