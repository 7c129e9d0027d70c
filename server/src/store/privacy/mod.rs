//! What is kept of people outside: where it lies, how it is taken out, and what must stay.
//!
//! Figures stay: times, counts, queues and agents of a call are nobody's number. A number that goes is replaced by a
//! **tombstone**, the same in all rows of one person and made of nothing, so that nobody can find out whose it was.

mod ages;
mod customers;
mod erase;
mod holds;
mod places;
mod redact;

pub use ages::RetentionTerms;
pub use customers::{Belongings, ErasedCustomer, is_hashed};
pub use erase::{ErasedCall, PersonCall};
pub use holds::Hold;
pub use redact::{Number, Redaction};

#[cfg(test)]
pub(super) use places::{PLACES, Place};

#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    erase::ALL.iter().chain(holds::ALL).chain(customers::ALL).chain(ages::ALL)
}
