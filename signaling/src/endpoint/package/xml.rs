//! Text in XML (XML 1.0 sections 2.2 and 2.4): nothing that is written can end its element or attribute.

use std::fmt;

/// Text for an element or a quoted attribute: the five letters with a meaning are escaped, and what XML does
/// not allow at all is left out.
pub(super) struct Escaped<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::write(&mut Escaping(f), format_args!("{}", self.0))
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => Ok(()),
            _ if letter.is_control() => Ok(()),
            _ => self.0.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_its_element_or_attribute() {
        assert_eq!(
            Escaped("<a b=\"c\" d='e'>&\0\r\n\t\u{1b}\u{85}\u{ffff}é").to_string(),
            "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;é"
        );
        assert_eq!(Escaped(format_args!("{}@{}", "a&b", "h")).to_string(), "a&amp;b@h");
    }
}
