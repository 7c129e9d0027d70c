//! Faults that tests ask for with `TANDEM_FAULT_KEY`. Debug builds only: a release build has none of this.

use std::sync::OnceLock;

/// Where a fault is wanted, in the order of the keys in `TANDEM_FAULT_KEY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the handling of a call.
    Call,
    /// In the line loop itself.
    Line,
}

/// A SIP message that has this in it is a fault to whoever reads it.
const IN_MESSAGE: &[u8] = b"X-Tandem-Fault";

fn keys() -> &'static [char] {
    static KEYS: OnceLock<Vec<char>> = OnceLock::new();
    KEYS.get_or_init(|| std::env::var("TANDEM_FAULT_KEY").map(|text| text.chars().collect()).unwrap_or_default())
}

/// Panics when the pressed key is the one for this place.
pub fn by_key(place: Place, digit: char) {
    assert!(keys().get(place as usize) != Some(&digit), "the fault that TANDEM_FAULT_KEY asks for");
}

/// Panics when the message asks for it.
pub fn by_message(bytes: &[u8]) {
    let asked = !keys().is_empty() && bytes.windows(IN_MESSAGE.len()).any(|part| part == IN_MESSAGE);
    assert!(!asked, "the fault that a message asks for");
}

/// Ends the process as a kill would, when so many files of a plan were put in their place as a file beside them says.
pub fn in_apply(folder: &std::path::Path, done: usize) {
    if std::fs::read_to_string(folder.join("fault-after")).is_ok_and(|text| text == done.to_string()) {
        std::process::abort();
    }
}
