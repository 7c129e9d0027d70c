//! Compares number patterns: is there a number that fits both, does one fit all that the other fits?
//!
//! Patterns are turned into small automata and walked side by side.

use std::collections::{BTreeSet, VecDeque};

use crate::{
    inside::ExtensionRange,
    pattern::{CharSet, DIGITS, NUMBER_DIGITS, Pattern, Piece, Shape},
};

/// Pairs of states that are looked at before the comparison is given up.
const MAX_PAIRS: usize = 20_000;

/// A union of sequences; each cell takes one character of its set, and may be left out when `optional`.
#[derive(Clone, Debug)]
pub(super) struct Automaton {
    sequences: Vec<Vec<Cell>>,
    /// Fits every number; there are no sequences then.
    is_anything: bool,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    set: CharSet,
    optional: bool,
}

impl Cell {
    /// The one character that it takes, when there is no choice.
    fn only(&self) -> Option<u8> {
        let is_one = self.set.is_power_of_two() && !self.optional;
        is_one.then(|| u8::try_from(self.set.trailing_zeros()).ok()).flatten()
    }
}

/// Whether a number fits one sequence: the cells that it may have got to are followed character by character.
fn fits(cells: &[Cell], number: &[u8]) -> bool {
    let skip = |reached: &mut Vec<bool>| {
        for (at, cell) in cells.iter().enumerate() {
            reached[at + 1] |= reached[at] && cell.optional;
        }
    };
    let mut reached = vec![false; cells.len() + 1];
    reached[0] = true;
    skip(&mut reached);
    for byte in number {
        let mut next = vec![false; cells.len() + 1];
        for (at, cell) in cells.iter().enumerate() {
            next[at + 1] = reached[at] && *byte < 128 && cell.set >> byte & 1 == 1;
        }
        reached = next;
        skip(&mut reached);
    }
    reached[cells.len()]
}

/// Sequence and cell; the cell behind the last one is the end.
type States = BTreeSet<(usize, usize)>;

/// How two patterns stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    /// Some number fits both.
    pub(super) overlap: bool,
    /// All numbers of the later fit the earlier.
    pub(super) covered: bool,
}

impl Automaton {
    /// Of all these patterns together.
    pub(super) fn of<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, extensions: &[ExtensionRange]) -> Self {
        let sequences = patterns.into_iter().flat_map(|pattern| sequences(pattern, extensions)).collect();
        Self { sequences, is_anything: false }
    }

    /// Fits every number.
    pub(super) fn anything() -> Self {
        Self { sequences: Vec::new(), is_anything: true }
    }

    fn fits_nothing(&self) -> bool {
        self.sequences.is_empty() && !self.is_anything
    }

    /// What the numbers that fit begin with: of each sequence the characters before the first choice. One that fits no
    /// number, or any, has the empty text.
    pub(super) fn beginnings(&self) -> BTreeSet<Vec<u8>> {
        if self.sequences.is_empty() {
            return BTreeSet::from([Vec::new()]);
        }
        self.sequences.iter().map(|cells| cells.iter().map_while(Cell::only).collect()).collect()
    }

    /// The numbers that fit, when each of the sequences is one number.
    fn numbers(&self) -> Option<Vec<Vec<u8>>> {
        self.sequences.iter().map(|cells| cells.iter().map(Cell::only).collect()).collect()
    }

    fn fits(&self, number: &[u8]) -> bool {
        self.sequences.iter().any(|cells| fits(cells, number))
    }

    fn start(&self) -> States {
        self.closed((0..self.sequences.len()).map(|sequence| (sequence, 0)).collect())
    }

    /// Steps over cells that may be left out.
    fn closed(&self, mut states: States) -> States {
        let mut open: Vec<_> = states.iter().copied().collect();
        while let Some((sequence, cell)) = open.pop() {
            if self.sequences[sequence].get(cell).is_some_and(|c| c.optional) && states.insert((sequence, cell + 1)) {
                open.push((sequence, cell + 1));
            }
        }
        states
    }

    fn after(&self, states: &States, character: CharSet) -> States {
        let next =
            states.iter().filter(|(sequence, cell)| self.sequences[*sequence].get(*cell).is_some_and(|c| c.set & character != 0));
        self.closed(next.map(|(sequence, cell)| (*sequence, cell + 1)).collect())
    }

    fn ended(&self, states: &States) -> bool {
        states.iter().any(|(sequence, cell)| *cell == self.sequences[*sequence].len())
    }
}

/// Walks both at once. Gives up with "nothing known" when that takes too long.
pub(super) fn compare(earlier: &Automaton, later: &Automaton) -> Comparison {
    if earlier.is_anything || later.is_anything {
        let overlap = !earlier.fits_nothing() && !later.fits_nothing();
        return Comparison { overlap, covered: earlier.is_anything };
    }
    // Whole numbers are most of what stands in a plan: no walk is needed for them.
    if let Some(numbers) = later.numbers() {
        let fit = numbers.iter().filter(|number| earlier.fits(number)).count();
        return Comparison { overlap: fit > 0, covered: fit == numbers.len() };
    }
    walk(earlier, later)
}

fn walk(earlier: &Automaton, later: &Automaton) -> Comparison {
    let classes = classes(earlier, later);
    let mut found = Comparison { overlap: false, covered: true };
    let first = (later.start(), earlier.start());
    let mut seen = BTreeSet::from([first.clone()]);
    let mut open = VecDeque::from([first]);
    while let Some((late, early)) = open.pop_front() {
        if later.ended(&late) {
            if earlier.ended(&early) {
                found.overlap = true;
            } else {
                found.covered = false;
            }
        }
        if found.overlap && !found.covered {
            return found;
        }
        for class in &classes {
            let next = (later.after(&late, *class), earlier.after(&early, *class));
            if !next.0.is_empty() && !seen.contains(&next) {
                if seen.len() >= MAX_PAIRS {
                    return Comparison::default();
                }
                seen.insert(next.clone());
                open.push_back(next);
            }
        }
    }
    found
}

/// One character for each way in which the sets of both tell characters apart.
fn classes(a: &Automaton, b: &Automaton) -> Vec<CharSet> {
    let sets: BTreeSet<CharSet> = a.sequences.iter().chain(&b.sequences).flatten().map(|cell| cell.set).collect();
    let mut classes: Vec<CharSet> = vec![CharSet::MAX];
    for set in sets {
        classes = classes.iter().flat_map(|class| [class & set, class & !set]).filter(|class| *class != 0).collect();
    }
    classes.iter().map(|class| 1 << class.trailing_zeros()).collect()
}

fn sequences(pattern: &Pattern, extensions: &[ExtensionRange]) -> Vec<Vec<Cell>> {
    let mut all: Vec<Vec<Cell>> = vec![Vec::new()];
    for piece in pattern.pieces() {
        let ways: Vec<Vec<Cell>> = match piece {
            Piece::One(set) => {
                all.iter_mut().for_each(|cells| cells.push(Cell { set: *set, optional: false }));
                continue;
            }
            Piece::Capture { shape: Shape::Digits { min, max }, .. } => vec![digits(usize::from(*min), usize::from(*max))],
            Piece::Capture { shape: Shape::Number, .. } => {
                let mut cells = vec![Cell { set: 1 << b'+', optional: true }];
                cells.extend(digits(NUMBER_DIGITS.0, NUMBER_DIGITS.1));
                vec![cells]
            }
            Piece::Capture { shape: Shape::Extension, .. } => {
                extensions.iter().flat_map(|range| span(range.from, range.to)).collect()
            }
        };
        all = all.iter().flat_map(|before| ways.iter().map(move |way| [before.as_slice(), way].concat())).take(256).collect();
    }
    all
}

fn digits(min: usize, max: usize) -> Vec<Cell> {
    (0..max).map(|n| Cell { set: DIGITS, optional: n >= min }).collect()
}

/// The numbers from one to another of the same length, as sequences of digit sets.
fn span(from: u32, to: u32) -> Vec<Vec<Cell>> {
    let mut out = Vec::new();
    let (mut low, high) = (u64::from(from), u64::from(to));
    while low <= high {
        // The largest block of ten, hundred, … that begins here and still fits.
        let mut size = 1;
        while low % (size * 10) == 0 && low + size * 10 - 1 <= high {
            size *= 10;
        }
        let places = size.ilog10() as usize;
        let width = from.to_string().len();
        let lead = format!("{:0width$}", low / size, width = width - places);
        let fixed = lead.bytes().map(|digit| Cell { set: 1 << digit, optional: false });
        out.push(fixed.chain(digits(places, places)).collect());
        low += size;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(earlier: &str, later: &str) -> &'static str {
        let ranges = [ExtensionRange {
            from: 1001,
            to: 1010,
            media_keys: crate::MediaKeys::None,
            dtmf: crate::Dtmf::Auto,
            redirects: true,
        }];
        let automaton = |text: &str| Automaton::of([&Pattern::parse(text).unwrap()], &ranges);
        match compare(&automaton(earlier), &automaton(later)) {
            Comparison { covered: true, .. } => "covers",
            Comparison { overlap: true, .. } => "overlaps",
            Comparison { .. } => "apart",
        }
    }

    #[test]
    fn patterns_are_compared_as_sets_of_numbers() {
        for (earlier, later, expected) in [
            ("1000", "1000", "covers"),
            ("1000", "1001", "apart"),
            ("10XX", "1000", "covers"),
            ("1000", "10XX", "overlaps"),
            ("1X00", "10XX", "overlaps"),
            ("{n:3..5}", "XXXX", "covers"),
            ("{n:3..5}", "{n:5..6}", "overlaps"),
            ("ZX", "0X", "apart"),
            ("{n:number}", "+39{r:6..9}", "covers"),
            ("{e:extension}", "100Z", "covers"),
            ("{e:extension}", "1010", "covers"),
            ("{e:extension}", "1011", "apart"),
            ("100Z", "{e:extension}", "overlaps"),
            ("*1X", "*11", "covers"),
        ] {
            assert_eq!(compared(earlier, later), expected, "{earlier} before {later}");
        }
    }

    #[test]
    fn comparison_agrees_with_matching_on_all_short_numbers() {
        let ranges =
            [ExtensionRange { from: 95, to: 99, media_keys: crate::MediaKeys::None, dtmf: crate::Dtmf::Auto, redirects: true }];
        let patterns = ["XX", "9X", "{n:1..3}", "{e:extension}", "ZN", "99", "{a:1}{b:1..2}", "9{e:extension}"];
        let numbers: Vec<String> = (0..1000)
            .map(|n| n.to_string())
            .chain((0..100).map(|n| format!("{n:02}")))
            .chain((0..1000).map(|n| format!("{n:03}")))
            .collect();
        for earlier in patterns {
            for later in patterns {
                let fits = |text: &str| {
                    let pattern = crate::pattern::NumberMatch::Pattern(Pattern::parse(text).unwrap().into());
                    numbers.iter().filter(|n| pattern.captures(n, &ranges).is_some()).cloned().collect::<BTreeSet<_>>()
                };
                let (a, b) = (fits(earlier), fits(later));
                let automaton = |text: &str| Automaton::of([&Pattern::parse(text).unwrap()], &ranges);
                let expected = Comparison { overlap: !a.is_disjoint(&b), covered: b.is_subset(&a) };
                assert_eq!(compare(&automaton(earlier), &automaton(later)), expected, "{earlier} before {later}");
                assert_eq!(walk(&automaton(earlier), &automaton(later)), expected, "{earlier} before {later}, walked");
            }
        }
    }
}
