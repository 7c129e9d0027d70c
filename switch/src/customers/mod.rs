//! Who is outside: customers and their addresses, what they want, and whether they may be contacted.
//!
//! Everything here decides and keeps nothing: the store hands in what it knows and writes down what comes out.
//!
//! - [`Identity`]: one address of a customer in the one form that it is compared in.
//! - [`matching`]: whose an address is. What is not certain is a candidate, and is never taken by itself.
//! - [`links`]: two customers who are one, and how that is undone.
//! - [`cases`]: which request a new contact goes on with; [`clocks`]: by when it is to be answered and solved.
//! - [`consent`]: one question, `may_contact`, and its reason.
//! - [`csv`] and [`import`]: customers as rows of a file.

pub mod cases;
pub mod clocks;
pub mod consent;
pub mod csv;
mod identity;
pub mod import;
pub mod links;
pub mod matching;

pub use identity::{BadIdentity, Country, Identity, IdentityKind};

pub use crate::channel::Channel;

/// Characters of a name, at most.
pub const MAX_NAME: usize = 200;
/// Characters of a note, at most.
pub const MAX_NOTE: usize = 4_000;
/// Attributes of one customer, at most.
pub const MAX_ATTRIBUTES: usize = 64;
/// Characters of the name of an attribute, of a topic, a code or any other word that people choose, at most.
pub const MAX_WORD: usize = 64;
/// Characters of the value of an attribute, at most.
pub const MAX_VALUE: usize = 1_000;
/// Identities of one customer, at most.
pub const MAX_IDENTITIES: usize = 64;

/// Whether text of people is not empty, not longer than `most` characters, and holds no control characters but line ends.
#[must_use]
pub fn fits(text: &str, most: usize) -> bool {
    let allowed = |letter: char| !letter.is_control() || letter == '\n' || letter == '\t';
    !text.trim().is_empty() && text.chars().count() <= most && text.chars().all(allowed)
}

/// Text as names are compared: lower case, one space between words.
#[must_use]
pub fn folded(text: &str) -> String {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}
