//! Places in a text as editors count them: lines from 0, and in a line bytes or UTF-16 units.
//!
//! A line ends at `\n`, `\r\n` or a `\r` alone (LSP 3.17, "Text Documents").

/// What a column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes of UTF-8.
    Utf8,
    /// Units of UTF-16, which every editor knows.
    #[default]
    Utf16,
}

/// A place between two characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 0.
    pub line: u32,
    /// From 0, in units of the [`Encoding`].
    pub character: u32,
}

/// A text with the places where its lines begin.
#[derive(Debug)]
pub struct Lines<'a> {
    text: &'a str,
    begins: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    #[must_use]
    pub fn new(text: &'a str, encoding: Encoding) -> Self {
        let bytes = text.as_bytes();
        let ends = (0..bytes.len()).filter(|at| match bytes[*at] {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        Self { text, begins: std::iter::once(0).chain(ends.map(|at| at + 1)).collect(), encoding }
    }

    /// The byte at a position. What lies behind the end of a line is its end, what lies behind the last
    /// line is the end of the text.
    #[must_use]
    pub fn offset(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(begin) = self.begins.get(line).copied() else { return self.text.len() };
        let end = self.begins.get(line + 1).copied().unwrap_or(self.text.len());
        let line = self.text[begin..end].trim_end_matches(['\r', '\n']);
        let mut left = position.character as usize;
        for (at, character) in line.char_indices() {
            let units = self.units(character);
            if left < units {
                return begin + at;
            }
            left -= units;
        }
        begin + line.len()
    }

    /// The position of a byte; one inside of a character is where the character begins.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.begins.partition_point(|begin| *begin <= offset) - 1;
        let units: usize = self.text[self.begins[line]..offset].chars().map(|c| self.units(c)).sum();
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: clip(line), character: clip(units) }
    }

    const fn units(&self, character: char) -> usize {
        match self.encoding {
            Encoding::Utf8 => character.len_utf8(),
            Encoding::Utf16 => character.len_utf16(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_count_what_was_agreed() {
        let text = "a\u{1f4de}è\r\nb\rc\n";
        let (wide, bytes) = (Lines::new(text, Encoding::Utf16), Lines::new(text, Encoding::Utf8));
        assert_eq!((wide.position(5), bytes.position(5)), (at(0, 3), at(0, 5)));
        assert_eq!((wide.offset(at(0, 3)), bytes.offset(at(0, 5))), (5, 5));
        assert_eq!(wide.offset(at(0, 2)), 1, "half a character is where it begins");
        assert_eq!(wide.position(3), at(0, 1));
        assert_eq!((wide.position(9), wide.position(11), wide.position(13)), (at(1, 0), at(2, 0), at(3, 0)));
    }

    #[test]
    fn what_lies_outside_is_drawn_in() {
        let lines = Lines::new("ab\r\ncd", Encoding::Utf16);
        assert_eq!(lines.offset(at(0, 99)), 2);
        assert_eq!(lines.offset(at(1, u32::MAX)), 6);
        assert_eq!(lines.offset(at(7, 0)), 6);
        assert_eq!(lines.position(999), at(1, 2));
        assert_eq!(Lines::new("", Encoding::Utf8).position(3), at(0, 0));
    }

    #[test]
    fn every_place_comes_back() {
        let text = "route \"è\" {\r\n\tsay \"\u{1f4de}\"\n}\r";
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            let lines = Lines::new(text, encoding);
            for (offset, _) in
                text.char_indices().filter(|(at, _)| !text[*at..].starts_with('\n') || !text[..*at].ends_with('\r'))
            {
                assert_eq!(lines.offset(lines.position(offset)), offset, "{encoding:?}");
            }
        }
    }
}
