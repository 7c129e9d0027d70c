//! Small texts of our own making: tags, branches, escaped users, reason phrases.

use std::fmt::{self, Write as _};

/// Where Max-Forwards begins (RFC 3261 section 8.1.1.6).
pub(super) const MAX_FORWARDS: u8 = 70;

/// The start of every branch of RFC 3261 (section 8.1.1.7).
const COOKIE: &str = "z9hG4bK";

/// A random number as a token of 16 letters: tags, branches, Call-IDs.
#[derive(Clone, Copy)]
pub(super) struct Token {
    text: [u8; 16],
}

impl Token {
    pub(super) fn new(number: u64) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 16];
        for (pair, byte) in text.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self { text }
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.text).expect("hexadecimal digits are ASCII")
    }

    /// The number behind a token; `None` for a text that is not one of ours.
    pub(super) fn read(text: &str) -> Option<u64> {
        let ours = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if ours { u64::from_str_radix(text, 16).ok() } else { None }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn branch_text(branch: u64) -> String {
    let mut text = String::with_capacity(COOKIE.len() + 16);
    text.push_str(COOKIE);
    text.push_str(Token::new(branch).as_str());
    text
}

/// The number of a branch of ours.
pub(super) fn read_branch(text: &str) -> Option<u64> {
    Token::read(text.strip_prefix(COOKIE)?)
}

/// Whether a branch follows RFC 3261, so that it alone names the transaction.
pub(super) fn has_cookie(branch: &str) -> bool {
    branch.len() > COOKIE.len() && branch.get(..COOKIE.len()).is_some_and(|start| start.eq_ignore_ascii_case(COOKIE))
}

/// A user part with everything escaped that could mean something else (RFC 3261 section 25.1, `user`).
pub(super) struct EscapedUser<'a>(pub(super) &'a str);

impl fmt::Display for EscapedUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$".contains(&byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// The usual reason phrase (RFC 3261 section 21).
pub(super) const fn phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        202 => "Accepted",
        200..=299 => "OK",
        300..=399 => "Moved",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        430 => "Flow Failed",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        101..=199 => "Progress",
        424..=499 => "Request Failed",
        506..=599 => "Server Failure",
        _ => "Refused",
    }
}

/// A reason phrase from the program, cut to one harmless line; the usual one when there is none.
pub(super) fn safe_phrase(code: u16, wanted: &str) -> String {
    let plain: String = wanted.chars().filter(|letter| !letter.is_control()).take(120).collect();
    if plain.is_empty() { phrase(code).to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_foreign_ones_do_not() {
        assert_eq!(Token::read(Token::new(0x12ab).as_str()), Some(0x12ab));
        assert_eq!(read_branch(&branch_text(7)), Some(7));
        for text in ["", "12AB000000000000", "+123456789abcdef", "0123456789abcdef0", "x"] {
            assert_eq!(Token::read(text), None, "{text}");
        }
        assert!(has_cookie("Z9HG4BKx") && !has_cookie("z9hG4bK") && !has_cookie("390skdjuw"));
    }

    #[test]
    fn a_user_cannot_break_out_of_its_uri() {
        assert_eq!(EscapedUser("+39*1#2@h;x=<\r\n>é").to_string(), "+39*1%232%40h%3Bx=%3C%0D%0A%3E%C3%A9");
    }
}
