//! How Opus is sent over the line that it meets. The far side's reports (RFC 3550 section 6.4.1) say how much of it is lost;
//! from that follow copies of lost packets (RFC 6716 section 2.1.7) and bits.
//!
//! A little loss is answered with copies: they cost quality only. Much loss is mostly a line that is too narrow, so the
//! bits become fewer as well, quickly, and come back slowly once little is lost. Other codecs have one rate and no copies.

/// Bits per second on a line that takes them.
pub const MOST_BPS: u32 = 24_000;
/// Fewer are no help: the headers weigh more than the voice by then.
pub const LEAST_BPS: u32 = 12_000;
/// Above this much loss, in percent, the line is taken for too narrow.
const MUCH: f32 = 10.0;
/// Below this much, in percent, it is not.
const LITTLE: f32 = 2.0;
/// More, after each report of little loss, in bits per second.
const STEP_BPS: u32 = 2_000;

/// What is known of the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptation {
    /// Of late, in percent.
    loss: f32,
    bps: u32,
}

impl Default for Adaptation {
    /// A line of which nothing was heard.
    fn default() -> Self {
        Self { loss: 0.0, bps: MOST_BPS }
    }
}

impl Adaptation {
    /// The far side says that of what it was sent since its last report so many 256ths were lost. All of them is no word
    /// about the line: nobody listens yet, or any more.
    pub fn reported(&mut self, fraction_lost: u8) {
        if fraction_lost == u8::MAX {
            return;
        }
        let now = f32::from(fraction_lost) * 100.0 / 256.0;
        // Believed at once when it is worse, and half when it is better: losses come in bursts.
        self.loss = if now >= self.loss { now } else { f32::midpoint(self.loss, now) };
        if now > MUCH {
            self.bps = (self.bps / 4 * 3).max(LEAST_BPS);
        } else if self.loss < LITTLE {
            self.bps = (self.bps + STEP_BPS).min(MOST_BPS);
        }
    }

    /// Loss to prepare for, in percent.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of 100, and a cast of a float saturates"
    )]
    pub fn loss_percent(&self) -> u8 {
        self.loss.round() as u8
    }

    /// Bits per second that the line is believed to take.
    #[must_use]
    pub const fn bps(&self) -> u32 {
        self.bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports in 256ths, and what holds after each.
    fn after(reports: &[u8]) -> Vec<(u8, u32)> {
        let mut line = Adaptation::default();
        let mut told = |fraction: &u8| {
            line.reported(*fraction);
            (line.loss_percent(), line.bps())
        };
        reports.iter().map(&mut told).collect()
    }

    #[test]
    fn a_little_loss_asks_for_copies_and_takes_no_bits() {
        assert_eq!(after(&[0, 13, 13, 5]), [(0, 24_000), (5, 24_000), (5, 24_000), (4, 24_000)]);
    }

    #[test]
    fn much_loss_takes_bits_quickly_and_a_clean_line_gives_them_back_slowly() {
        let told = after(&[64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(told[..4], [(25, 18_000), (25, 13_500), (25, 12_000), (25, 12_000)]);
        assert_eq!(told[4..8].iter().map(|(loss, _)| *loss).collect::<Vec<_>>(), [13, 6, 3, 2]);
        assert_eq!(told[7].1, 14_000, "not before little was lost of late");
        assert_eq!(told.last(), Some(&(0, 24_000)));
    }

    #[test]
    fn whoever_hears_nothing_at_all_says_nothing_about_the_line() {
        assert_eq!(after(&[255, 255]), [(0, 24_000); 2]);
    }
}
