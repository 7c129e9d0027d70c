//! Mixing: who hears whom in a room of two to a hundred.
//!
//! All parties are added up once; each is then sent the sum without its own voice, so the work grows with the number of
//! parties and not with its square. Who only listens is never in the sum, and a whisper is added for the one it is meant
//! for after the sum was made: no order of things lets a supervisor reach a customer.
//!
//! Here: who is in the sum ([`Gate`]), the sum ([`Sum`]), and how loud it may be ([`Limiter`]). Plain computation on frames of
//! [`FRAME_MS`]. Not here: packets, codecs, the jitter buffer and the clock; a member's seat is the engine's (`engine::mixing`).

mod limit;
mod sum;

pub use limit::Limiter;
pub use sum::{Gate, Sum};

/// A mix is made so often, in ms.
pub const FRAME_MS: u8 = 20;
/// Samples of a frame at the higher rate, 16 kHz.
pub const MAX_FRAME: usize = 320;

/// Samples of a frame at a rate of 8 or 16 kHz.
#[must_use]
pub const fn frame_samples(rate_hz: u32) -> usize {
    rate_hz as usize / 1_000 * FRAME_MS as usize
}
