//! Messages drawn as a ladder: a column for each side, the switch in the second one, time runs down.

use std::net::SocketAddr;

use super::table::clean;

/// Letters of a column, and of the time before the first one.
const WIDTH: usize = 28;
const TIME: usize = 14;
/// Sides at most; one more takes the column that was used longest ago.
const MOST: usize = 6;
/// Which column is the switch.
const OURS: usize = 1;

/// The sides of the calls that are followed.
#[derive(Debug, Default)]
pub(super) struct Ladder {
    peers: Vec<Peer>,
    turn: u64,
}

#[derive(Debug)]
struct Peer {
    address: SocketAddr,
    name: String,
    used: u64,
}

/// A message between a side and the switch.
#[derive(Debug)]
pub(super) struct Rung<'a> {
    /// When, as it is to be shown.
    pub(super) at: &'a str,
    pub(super) peer: SocketAddr,
    /// Whose address that is.
    pub(super) name: &'a str,
    /// From the switch.
    pub(super) sent: bool,
    pub(super) what: &'a str,
}

impl Ladder {
    /// The lines of one message; with the heads of the columns when there is a new one.
    pub(super) fn rung(&mut self, rung: &Rung<'_>) -> Vec<String> {
        let (at, is_new) = self.column(rung.peer, rung.name);
        let mut lines = if is_new { self.heads() } else { Vec::new() };
        let mut line = self.rails(rung.at);
        let (left, right) = (centre(at.min(OURS)), centre(at.max(OURS)));
        let to_the_right = (at < OURS) != rung.sent;
        for place in &mut line[left + 1..right] {
            *place = '─';
        }
        let (tip, place) = if to_the_right { ('▶', right - 1) } else { ('◀', left + 1) };
        line[place] = tip;
        let text = fit(&clean(rung.what), right - left - 7);
        let begin = left + (right - left - text.chars().count()) / 2;
        overlay(&mut line, begin, &format!(" {text} "));
        lines.push(finished(line));
        lines
    }

    /// Whether there is a column for a side.
    pub(super) fn knows(&self, address: SocketAddr) -> bool {
        self.peers.iter().any(|peer| peer.address == address)
    }

    /// Something that happens inside of the switch.
    pub(super) fn note(&self, at: &str, text: &str) -> String {
        let mut line = self.rails(at);
        overlay(&mut line, centre(OURS) + 2, &clean(text));
        finished(line)
    }

    /// The column of a side, and whether it was made for it now.
    fn column(&mut self, address: SocketAddr, name: &str) -> (usize, bool) {
        self.turn += 1;
        let known = self.peers.iter().position(|peer| peer.address == address);
        let new = || Peer { address, name: clean(name), used: 0 };
        let at = match known {
            Some(at) => at,
            None if self.peers.len() < MOST => {
                self.peers.push(new());
                self.peers.len() - 1
            }
            None => {
                let oldest = self.peers.iter().enumerate().min_by_key(|(_, peer)| peer.used).map_or(0, |(at, _)| at);
                self.peers[oldest] = new();
                oldest
            }
        };
        self.peers[at].used = self.turn;
        (place_of(at), known.is_none())
    }

    fn heads(&self) -> Vec<String> {
        let mut names = vec![' '; TIME + WIDTH * (self.peers.len() + 1)];
        let mut addresses = names.clone();
        let mut write = |column: usize, name: &str, address: &str| {
            for (line, text) in [(&mut names, name), (&mut addresses, address)] {
                let text = fit(text, WIDTH - 2);
                overlay(line, centre(column) - text.chars().count() / 2, &text);
            }
        };
        write(OURS, "tandem", "");
        for (at, peer) in self.peers.iter().enumerate() {
            write(place_of(at), &peer.name, &peer.address.to_string());
        }
        vec![String::new(), finished(names), finished(addresses)]
    }

    fn rails(&self, at: &str) -> Vec<char> {
        let columns = self.peers.len().max(1) + 1;
        let mut line = vec![' '; TIME + WIDTH * columns];
        overlay(&mut line, 0, &fit(at, TIME - 1));
        for column in 0..columns {
            line[centre(column)] = '│';
        }
        line
    }
}

/// The switch is between the first side and all others.
const fn place_of(peer: usize) -> usize {
    if peer < OURS { peer } else { peer + 1 }
}

const fn centre(column: usize) -> usize {
    TIME + WIDTH * column + WIDTH / 2
}

fn fit(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

fn overlay(line: &mut Vec<char>, at: usize, text: &str) {
    for (place, letter) in (at..).zip(text.chars()) {
        if line.len() <= place {
            line.resize(place + 1, ' ');
        }
        line[place] = letter;
    }
}

fn finished(line: Vec<char>) -> String {
    line.into_iter().collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(ladder: &mut Ladder, rungs: &[(&str, u16, bool, &str)]) -> String {
        let mut text = String::new();
        for (name, port, sent, what) in rungs {
            let peer = SocketAddr::from(([127, 0, 0, 1], *port));
            for line in ladder.rung(&Rung { at: "12:00:01.000", peer, name, sent: *sent, what }) {
                text += &(line + "\n");
            }
        }
        text
    }

    #[test]
    fn a_call_is_drawn_between_its_sides_and_the_switch() {
        let mut ladder = Ladder::default();
        let mut text = draw(&mut ladder, &[("1011", 5071, false, "INVITE 1800 (sdp)"), ("1011", 5071, true, "100 Trying")]);
        text += &(ladder.note("12:00:01.001", "plan: route support") + "\n");
        text += &draw(
            &mut ladder,
            &[
                ("1001", 5072, true, "INVITE 1001 (sdp)"),
                ("1001", 5072, false, "180 Ringing"),
                ("1011", 5071, true, "180 Ringing with a reason that is longer than its place"),
            ],
        );
        let wanted = "
                          1011                       tandem
                     127.0.0.1:5071
12:00:01.000                │──── INVITE 1800 (sdp) ───▶│
12:00:01.000                │◀─────── 100 Trying ───────│
12:00:01.001                │                           │ plan: route support

                          1011                       tandem                       1001
                     127.0.0.1:5071                                          127.0.0.1:5072
12:00:01.000                │                           │──── INVITE 1001 (sdp) ───▶│
12:00:01.000                │                           │◀────── 180 Ringing ───────│
12:00:01.000                │◀─ 180 Ringing with a r… ──│                           │
";
        assert_eq!(text, wanted, "\n{text}");
    }

    #[test]
    fn a_side_too_many_takes_the_place_of_the_one_that_was_used_longest_ago() {
        let mut ladder = Ladder::default();
        for port in 1..=6 {
            draw(&mut ladder, &[("x", port, false, "OPTIONS")]);
        }
        draw(&mut ladder, &[("x", 1, false, "OPTIONS"), ("new", 7, false, "OPTIONS")]);
        let ports: Vec<u16> = ladder.peers.iter().map(|peer| peer.address.port()).collect();
        assert_eq!(ports, [1, 7, 3, 4, 5, 6]);
    }
}
