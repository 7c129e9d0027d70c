//! The moment of a simulated call, as people write it.

use jiff::{
    civil::{DateTime, Time},
    tz::TimeZone,
};
use tandem_switch::time::Timestamp;

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `2026-12-25T17:05:00Z`
    Instant(Timestamp),
    /// `2026-12-25T18:05:00` or `2026-12-25 18:05`, on the clock of the plan's time zone.
    Wall(DateTime),
    /// `18:05`, today.
    Clock(Time),
}

impl When {
    /// Reads a moment.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > 40 {
            return Err("this is no moment: it is too long".into());
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::Instant(Timestamp(instant.as_microsecond())));
        }
        // A plain date parses as its midnight: nobody means that.
        if let (true, Ok(wall)) = (text.contains(':'), text.parse::<DateTime>()) {
            return Ok(Self::Wall(wall));
        }
        text.parse::<Time>().ok().filter(|_| text.contains(':')).map(Self::Clock).ok_or_else(|| {
            format!(
                "`{}` is no moment: expected as in `2026-12-25T18:05:00`, `2026-12-25T17:05:00Z` or `18:05`",
                text.escape_debug()
            )
        })
    }

    /// The instant. `now` is for a time of today; a time that daylight saving skips is the one behind the gap.
    #[must_use]
    pub fn instant(self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let wall = match self {
            Self::Instant(instant) => return Some(instant),
            Self::Wall(wall) => wall,
            Self::Clock(time) => zone.to_datetime(jiff::Timestamp::from_microsecond(now.0).ok()?).date().to_datetime(time),
        };
        let instant = zone.to_ambiguous_timestamp(wall).compatible().ok()?;
        Some(Timestamp(instant.as_microsecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_an_instant_or_a_time_of_the_plans_clock() {
        let rome = crate::schedule::time_zone("Europe/Rome").unwrap();
        let noon = Timestamp::from_ms(1_795_348_800_000);
        let at = |text: &str| When::parse(text).unwrap().instant(&rome, noon).unwrap();
        let christmas = at("2026-12-25T17:05:00Z");
        for same in ["2026-12-25T18:05:00", "2026-12-25 18:05", "2026-12-25T18:05:00+01:00"] {
            assert_eq!(at(same), christmas, "{same}");
        }
        assert_eq!(at("18:05"), at("2026-11-22 18:05"));
        assert_eq!(at("2026-03-29 02:30"), at("2026-03-29 03:30"), "an hour that is skipped");
        for bad in ["", "tomorrow", "2026-12-25", "25.12.2026 18:05", "1805", &"1".repeat(99)] {
            assert!(When::parse(bad).is_err(), "{bad}");
        }
    }
}
