//! How loss is spread over time: bursts and gaps as RFC 3611 section 4.7.2 has them, runs of lost packets, and BurstR of
//! ITU-T G.107. It is told of each packet once, in order of their numbers, when it is settled whether it came.

/// So many packets in a row that came end a burst (RFC 3611 section 4.7.2 recommends 16).
pub const GMIN: u8 = 16;

/// What is known of the packets up to now.
#[derive(Clone, Copy, Debug)]
pub struct LossPattern {
    packets: u64,
    lost: u64,
    /// Runs of lost packets.
    runs: u64,
    is_in_run: bool,
    /// Packets that came since the last lost one, while they may belong to a burst.
    since: u64,
    /// From the first loss of what may be a burst to its last one: packets, and how many of them are lost.
    open: Option<(u64, u64)>,
    bursts: u64,
    burst_packets: u64,
    burst_lost: u64,
}

/// The figures of RFC 3611 section 4.7.2, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bursts {
    /// Lost share within bursts, 0 to 1.
    pub burst_density: f32,
    /// Lost share outside of them.
    pub gap_density: f32,
    /// Mean length of a burst, in packets.
    pub burst_packets: f32,
    /// Mean length of what lies between them.
    pub gap_packets: f32,
}

impl LossPattern {
    /// Nothing is known.
    pub const NEW: Self =
        Self { packets: 0, lost: 0, runs: 0, is_in_run: false, since: 0, open: None, bursts: 0, burst_packets: 0, burst_lost: 0 };

    /// The next packet came, or did not.
    pub const fn push(&mut self, came: bool) {
        self.packets += 1;
        if came {
            self.is_in_run = false;
            self.since += 1;
            if self.since == GMIN as u64 {
                self.close();
            }
            return;
        }
        self.lost += 1;
        if !self.is_in_run {
            (self.is_in_run, self.runs) = (true, self.runs + 1);
        }
        self.open = Some(match self.open {
            Some((packets, lost)) => (packets + self.since + 1, lost + 1),
            None => (1, 1),
        });
        self.since = 0;
    }

    /// One loss alone is part of the gap around it.
    const fn close(&mut self) {
        if let Some((packets, lost)) = self.open
            && lost > 1
        {
            self.bursts += 1;
            self.burst_packets += packets;
            self.burst_lost += lost;
        }
        self.open = None;
    }

    /// The burst that is under way counts as it stands.
    #[must_use]
    pub fn bursts(mut self) -> Bursts {
        self.close();
        let gap_packets = self.packets - self.burst_packets;
        Bursts {
            burst_density: ratio(self.burst_lost, self.burst_packets),
            gap_density: ratio(self.lost - self.burst_lost, gap_packets),
            burst_packets: ratio(self.burst_packets, self.bursts),
            gap_packets: ratio(gap_packets, self.bursts.max(1)),
        }
    }

    /// Mean length of the runs of lost packets against that of random loss of the same share; 1 without loss.
    #[must_use]
    pub fn burst_ratio(&self) -> f32 {
        if self.runs == 0 {
            return 1.0;
        }
        (ratio(self.lost, self.runs) * (1.0 - ratio(self.lost, self.packets))).max(1.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "ratios of packet counts, for people")]
fn ratio(part: u64, whole: u64) -> f32 {
    if whole == 0 { 0.0 } else { part as f32 / whole as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// `.` came, `x` did not.
    fn of(pattern: &str) -> LossPattern {
        let mut told = LossPattern::NEW;
        pattern.chars().for_each(|packet| told.push(packet == '.'));
        told
    }

    #[test]
    fn losses_that_lie_apart_are_a_gap_and_those_together_are_a_burst() {
        let apart = ".".repeat(20) + "x" + &".".repeat(16) + "x" + &".".repeat(20);
        assert_eq!(of(&apart).bursts(), Bursts { gap_density: 2.0 / 58.0, gap_packets: 58.0, ..Bursts::default() });
        let near = ".".repeat(20) + "x" + &".".repeat(15) + "x" + &".".repeat(13);
        let Bursts { burst_density, gap_density, burst_packets, gap_packets } = of(&near).bursts();
        assert_eq!((burst_density, gap_density, burst_packets, gap_packets), (2.0 / 17.0, 0.0, 17.0, 33.0));
        assert_eq!(of("").bursts(), Bursts::default());
        let under_way = of(&(".".repeat(20) + "xx")).bursts();
        assert_eq!((under_way.burst_density, under_way.burst_packets), (1.0, 2.0));
    }

    #[test]
    fn random_loss_has_a_burst_ratio_of_one_and_runs_of_five_have_about_five() {
        let mut random = Random::new(3);
        let (mut at_random, mut in_fives) = (LossPattern::NEW, LossPattern::NEW);
        for _ in 0..20_000 {
            at_random.push(random.below(10) != 0);
            let came = random.below(50) != 0;
            (0..5).for_each(|_| in_fives.push(came));
        }
        assert!((1.0..1.05).contains(&at_random.burst_ratio()), "{}", at_random.burst_ratio());
        assert!((4.8..5.2).contains(&in_fives.burst_ratio()), "{}", in_fives.burst_ratio());
        assert_eq!(of("....").burst_ratio(), 1.0);
    }
}
