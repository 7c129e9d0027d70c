//! SIP status codes and the switch's causes, both ways.

use tandem_signaling::endpoint::{EndedHow, RejectedBy};
use tandem_switch::cause::Cause;

/// Why an outgoing leg did not come up.
pub(super) fn of_rejection(code: u16, by: RejectedBy) -> Cause {
    match (code, by) {
        (480, RejectedBy::Us) => Cause::NotRegistered,
        (503, RejectedBy::Us) => Cause::Congestion,
        (408, RejectedBy::Network) => Cause::Timeout,
        (_, RejectedBy::Network) => Cause::NetworkFailure,
        (486 | 600, _) => Cause::Busy,
        (603 | 607 | 403 | 401 | 407, _) => Cause::Rejected,
        (300..=399, _) => Cause::Redirected,
        (404 | 410 | 484 | 485 | 604, _) => Cause::NotFound,
        (408 | 487, _) => Cause::NoAnswer,
        (415 | 488 | 606, _) => Cause::Incompatible,
        _ => Cause::Unavailable,
    }
}

/// Why an established leg ended from its own side.
pub(super) fn of_end(how: &EndedHow) -> Cause {
    match how {
        EndedHow::Bye { .. } => Cause::Normal,
        EndedHow::Timeout => Cause::Timeout,
        EndedHow::ConnectionLost => Cause::NetworkFailure,
        EndedHow::NoAnswer => Cause::Incompatible,
    }
}

/// Status code and reason phrase that tell a cause; an empty phrase is the usual one of the code.
pub(super) const fn to_code(cause: Cause) -> (u16, &'static str) {
    match cause {
        Cause::Normal => (200, ""),
        Cause::Callback => (200, "Called back"),
        Cause::AnsweredElsewhere => (200, "Call completed elsewhere"),
        Cause::Cancelled => (487, ""),
        Cause::Busy => (486, ""),
        Cause::NoAnswer => (480, "No answer"),
        Cause::Rejected => (603, ""),
        Cause::NotRegistered | Cause::Redirected => (480, ""),
        Cause::NotFound => (404, ""),
        Cause::Forbidden => (403, ""),
        Cause::Incompatible => (488, ""),
        Cause::Unavailable => (480, "Party cannot be reached"),
        Cause::Congestion => (503, ""),
        Cause::Timeout => (504, ""),
        Cause::MediaTimeout => (500, "Media timeout"),
        Cause::NetworkFailure => (502, ""),
        Cause::Restart => (503, "Restarting"),
        Cause::Fault => (500, ""),
    }
}
