//! Tables for people: aligned columns, and nothing that a terminal would obey.

use std::fmt::Write as _;

use crate::http::view::At;

/// Rows under their heads. A column without any value is left out; no rows are said to be none.
pub(super) fn draw(heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return "(none)\n".to_owned();
    }
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let filled = |column: usize| cells.iter().any(|row| row.get(column).is_some_and(|cell| !cell.is_empty()));
    let columns: Vec<usize> = (0..heads.len()).filter(|&column| filled(column)).collect();
    let width = |column: usize| {
        let cells = cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().map(|&column| width(column)).collect();
    let mut text = String::new();
    let mut line = |cell: &dyn Fn(usize) -> String| {
        let mut row = String::new();
        for (&column, width) in columns.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(row, "{:width$}  ", cell(column));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    };
    line(&|column| heads[column].to_owned());
    for row in &cells {
        line(&|column| row.get(column).cloned().unwrap_or_default());
    }
    text
}

/// Names and values, one a line; those without a value are left out.
pub(super) fn list(rows: &[(&str, String)]) -> String {
    let rows: Vec<_> = rows.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}  {}\n", clean(value))).collect()
}

/// What callers sent may hold escape sequences: control characters become `?`.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// `None` is empty.
pub(super) fn maybe<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// An instant to the second.
pub(super) fn instant(at: At) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

/// A duration in two units at most (`3m 12s`).
pub(super) fn duration(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m {:02}s", s / 60, s % 60),
        _ => format!("{}h {:02}m", s / 3_600, s / 60 % 60),
    }
}

/// Yes, or nothing.
pub(super) fn tick(yes: bool) -> String {
    if yes { "yes".to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use tandem_switch::time::Timestamp;

    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let rows =
            [vec!["support".to_owned(), String::new(), "2".to_owned()], vec!["è".to_owned(), String::new(), "12".to_owned()]];
        assert_eq!(draw(&["QUEUE"], &[]), "(none)\n");
        assert_eq!(draw(&["QUEUE", "NOTE", "WAITING"], &rows), "QUEUE    WAITING\nsupport  2\nè        12\n");
    }

    #[test]
    fn what_a_caller_sent_cannot_move_the_cursor() {
        assert_eq!(draw(&["FROM"], &[vec!["\x1b[2Jevil\n".to_owned()]]), "FROM\n?[2Jevil?\n");
        assert_eq!(list(&[("from", "\x07".to_owned()), ("to", String::new())]), "from  ?\n");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(instant(At(Timestamp(1_790_000_000_250_000))), "2026-09-21T14:13:20Z");
        assert_eq!([0, 59_999, 192_000, 7_260_000].map(duration), ["0s", "59s", "3m 12s", "2h 01m"]);
    }
}
