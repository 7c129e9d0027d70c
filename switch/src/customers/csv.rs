//! Rows of a CSV file (RFC 4180), read piece by piece and written row by row. No piece and no row is kept longer than needed.

/// Bytes of one row, at most.
pub const MAX_ROW_BYTES: usize = 64 * 1024;
/// Fields of one row, at most.
pub const MAX_FIELDS: usize = 256;

/// One row, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line that it begins at, from 1.
    pub line: u64,
    /// Its fields.
    pub fields: Result<Vec<String>, BadRow>,
}

/// A row that cannot be read. The rows after it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRow {
    /// Larger than a row may be.
    #[error("the row is longer than 65536 bytes or has more than 256 fields; is a quote missing?")]
    TooLong,
    /// Not UTF-8.
    #[error("the row is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    /// Something after a closing quote.
    #[error("something stands after a closing quote; write a quote within a field twice")]
    AfterQuote,
    /// The file ends within quotes.
    #[error("the file ends within quotes; it may have been cut off")]
    OpenQuote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// At the begin of a field.
    Begin,
    Plain,
    Quoted,
    /// A quote within quotes: its end, or the first of two.
    Quote,
}

/// Reads rows out of pieces of a file.
#[derive(Debug)]
pub struct Reader {
    separator: u8,
    line: u64,
    began: u64,
    within: Within,
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    bytes: usize,
    bad: Option<BadRow>,
    rows: std::collections::VecDeque<Row>,
    first: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(b',')
    }
}

impl Reader {
    /// A reader at the begin of a file.
    #[must_use]
    pub fn new(separator: u8) -> Self {
        Self {
            separator,
            line: 1,
            began: 1,
            within: Within::Begin,
            fields: Vec::new(),
            field: Vec::new(),
            bytes: 0,
            bad: None,
            rows: std::collections::VecDeque::new(),
            first: true,
        }
    }

    /// Takes the next piece; take the rows out before the one after it.
    pub fn push(&mut self, piece: &[u8]) {
        for &byte in piece {
            self.byte(byte);
        }
    }

    /// The file is over.
    pub fn end(&mut self) {
        if self.within == Within::Quoted {
            self.bad.get_or_insert(BadRow::OpenQuote);
        }
        if self.within != Within::Begin || !self.fields.is_empty() || self.bad.is_some() {
            self.row();
        }
    }

    /// The next row that is complete. Empty lines are none.
    pub fn next_row(&mut self) -> Option<Row> {
        self.rows.pop_front()
    }

    fn byte(&mut self, byte: u8) {
        match (self.within, byte) {
            (Within::Begin, b'"') => self.within = Within::Quoted,
            (Within::Quoted, b'"') => self.within = Within::Quote,
            (Within::Quote, b'"') => {
                self.keep(b'"');
                self.within = Within::Quoted;
            }
            (Within::Quoted, _) => {
                self.line += u64::from(byte == b'\n');
                self.keep(byte);
            }
            (_, b'\n') => {
                self.line += 1;
                self.row();
            }
            (_, separator) if separator == self.separator => self.field(),
            // The first half of a line's end.
            (Within::Begin | Within::Quote, b'\r') => {}
            (Within::Quote, _) => {
                self.bad.get_or_insert(BadRow::AfterQuote);
                self.within = Within::Plain;
            }
            (Within::Begin | Within::Plain, _) => {
                self.within = Within::Plain;
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        self.bytes += 1;
        match self.bytes <= MAX_ROW_BYTES {
            true => self.field.push(byte),
            false => self.too_long(),
        }
    }

    fn too_long(&mut self) {
        self.bad.get_or_insert(BadRow::TooLong);
        self.field.clear();
        self.fields.clear();
    }

    fn field(&mut self) {
        if self.within == Within::Plain && self.field.last() == Some(&b'\r') {
            self.field.pop();
        }
        self.within = Within::Begin;
        let field = std::mem::take(&mut self.field);
        match self.fields.len() < MAX_FIELDS && self.bad != Some(BadRow::TooLong) {
            true => self.fields.push(field),
            false => self.too_long(),
        }
    }

    fn row(&mut self) {
        self.field();
        let (line, bad) = (std::mem::replace(&mut self.began, self.line), self.bad.take());
        self.bytes = 0;
        let mut raw = std::mem::take(&mut self.fields);
        if std::mem::take(&mut self.first)
            && let Some(first) = raw.first_mut()
            && first.starts_with(b"\xef\xbb\xbf")
        {
            // What some programs write before UTF-8.
            first.drain(..3);
        }
        if bad.is_none() && raw.iter().all(Vec::is_empty) {
            return;
        }
        let texts = || raw.into_iter().map(|field| String::from_utf8(field).map_err(|_| BadRow::NotUtf8)).collect();
        self.rows.push_back(Row { line, fields: bad.map_or_else(texts, Err) });
    }
}

/// Writes one row, its line's end included.
#[must_use]
pub fn written<S: AsRef<str>>(fields: &[S]) -> String {
    let mut text = String::new();
    for (number, field) in fields.iter().enumerate() {
        let field = field.as_ref();
        if number > 0 {
            text.push(',');
        }
        // A row of one empty field would be an empty line.
        if field.contains(['"', ',', '\n', '\r']) || (fields.len() == 1 && field.is_empty()) {
            text.push('"');
            text.push_str(&field.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(field);
        }
    }
    text.push_str("\r\n");
    text
}

/// Letters that make a spreadsheet take a field for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Text of people as it is written: what a spreadsheet would carry out has a `'` before it.
#[must_use]
pub fn guarded(text: &str) -> String {
    match text.trim_start_matches('\'').starts_with(FORMULA) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

/// The text that [`guarded`] was given.
#[must_use]
pub fn unguarded(text: &str) -> &str {
    let inner = |rest: &&str| rest.trim_start_matches('\'').starts_with(FORMULA);
    text.strip_prefix('\'').filter(inner).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    fn rows(pieces: &[&[u8]]) -> Vec<Row> {
        let mut reader = Reader::default();
        let mut rows = Vec::new();
        for piece in pieces {
            reader.push(piece);
            rows.extend(std::iter::from_fn(|| reader.next_row()));
        }
        reader.end();
        rows.extend(std::iter::from_fn(|| reader.next_row()));
        rows
    }

    fn good(line: u64, fields: &[&str]) -> Row {
        Row { line, fields: Ok(fields.iter().map(|field| (*field).to_owned()).collect()) }
    }

    #[test]
    fn rows_read_as_spreadsheets_write_them() {
        let text = b"\xef\xbb\xbfname,phone\r\n\"Lovelace, \"\"Ada\"\"\",+39\r\n\r\n\"two\nlines\",x\nlast,";
        let expected = [
            good(1, &["name", "phone"]),
            good(2, &["Lovelace, \"Ada\"", "+39"]),
            good(4, &["two\nlines", "x"]),
            good(6, &["last", ""]),
        ];
        assert_eq!(rows(&[text]), expected);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(rows(&bytes), expected);
    }

    #[test]
    fn a_bad_row_spoils_no_other() {
        let bad = |line, why| Row { line, fields: Err(why) };
        assert_eq!(rows(&[b"a\n\"b\"c\nd\n"]), [good(1, &["a"]), bad(2, BadRow::AfterQuote), good(3, &["d"])]);
        assert_eq!(rows(&[b"a\n\xff\nd"]), [good(1, &["a"]), bad(2, BadRow::NotUtf8), good(3, &["d"])]);
        assert_eq!(rows(&[b"a\n\"b\n"]), [good(1, &["a"]), bad(2, BadRow::OpenQuote)]);
        let long = vec![b'x'; MAX_ROW_BYTES + 1];
        assert_eq!(rows(&[&long, b"\nd"]), [bad(1, BadRow::TooLong), good(2, &["d"])]);
        assert_eq!(rows(&[&vec![b','; MAX_FIELDS], b"\nd"]), [bad(1, BadRow::TooLong), good(2, &["d"])]);
    }

    #[test]
    fn a_spreadsheet_carries_nothing_out() {
        assert_eq!(guarded("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(guarded("O'Neill"), "O'Neill");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(table in prop::collection::vec(prop::collection::vec("\\PC{0,12}|[\",\r\n' =+x]{0,6}", 1..5), 1..6), cut in 1usize..9) {
            let guarded_table: Vec<Vec<String>> = table.iter().map(|row| row.iter().map(|field| guarded(field)).collect()).collect();
            let text: String = guarded_table.iter().map(|row| written(row)).collect();
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            let back: Vec<Vec<String>> = rows(&pieces)
                .into_iter()
                .map(|row| row.fields.unwrap().iter().map(|field| unguarded(field).to_owned()).collect())
                .collect();
            // Nothing but separators is an empty line, and a byte order mark of the first field is none of its letters.
            let told: Vec<Vec<String>> = table.into_iter().filter(|row| row.iter().any(|field| !field.is_empty())).collect();
            prop_assume!(!told.first().is_some_and(|row| row[0].starts_with('\u{feff}')));
            prop_assert_eq!(back, told);
        }

        #[test]
        fn no_bytes_are_too_wild(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = rows(&[&bytes]);
        }
    }
}
