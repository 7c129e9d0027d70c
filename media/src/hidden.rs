//! A key that nobody may see but whoever it was meant for: a digit of a card.

use std::fmt;

/// A key press that no output of a program shows: it has no text but the one that [`HiddenKey::expose`] gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HiddenKey(char);

impl HiddenKey {
    /// Hides a key.
    #[must_use]
    pub const fn new(key: char) -> Self {
        Self(key)
    }

    /// The key: to be gathered, never to be printed.
    #[must_use]
    pub const fn expose(self) -> char {
        self.0
    }
}

impl fmt::Debug for HiddenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*")
    }
}
