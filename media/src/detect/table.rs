//! The tones of networks by country: what they are made of, and their cadence.
//!
//! After ITU-T E.180 supplement 2 for Italy, Germany, France, the United Kingdom and the United States; the many countries
//! that follow ETSI TR 101 041 (425 Hz) have those of Germany or Italy. Spain's busy tone is Italy's congestion, so it is told
//! as that.

use super::Tone;

/// What a tone is made of. Pairs closer than 50 Hz (400 + 450, 440 + 480) are one sound that beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// 400, 425, 440 or 450 Hz, 400 + 450 or 440 + 480.
    Low,
    /// 350 + 440 Hz.
    DialPair,
    /// 480 + 620 Hz.
    BusyPair,
    /// The three of special information: 950, 1,400 and 1,800 Hz.
    FirstOfThree,
    SecondOfThree,
    ThirdOfThree,
    /// 1,100 Hz.
    FaxCalling,
    /// 2,100 Hz.
    FaxAnswering,
}

/// A time of a cadence: the sound, or silence, and how long at least and at most, in ms.
pub(super) type Beat = (Option<Sound>, u32, u32);

/// A cadence. Its last beat may still go on.
pub(super) struct Cadence {
    pub(super) tone: Tone,
    pub(super) beats: &'static [Beat],
}

/// The longest cadence of the table.
pub(super) const MOST_BEATS: usize = 6;

/// At most so long: for ever.
const ON: u32 = u32::MAX;

const fn on(sound: Sound, least: u32, most: u32) -> Beat {
    (Some(sound), least, most)
}

const fn off(least: u32, most: u32) -> Beat {
    (None, least, most)
}

use Sound::{BusyPair, DialPair, FaxAnswering, FaxCalling, FirstOfThree, Low, SecondOfThree, ThirdOfThree};

/// All of them. Each has times of its own, so the order does not matter.
pub(super) const TABLE: &[Cadence] = &[
    // Italy, Germany and most of Europe 1 s on, 4 s off; France 1.5 s, 3.5 s; United States 2 s, 4 s.
    Cadence { tone: Tone::RingBack, beats: &[on(Low, 800, 2_250), off(1_500, ON)] },
    // United Kingdom 0.4 s on, 0.2 s off, 0.4 s on, 2 s off.
    Cadence { tone: Tone::RingBack, beats: &[on(Low, 320, 480), off(120, 280), on(Low, 320, 480), off(1_000, ON)] },
    // Italy, France 0.5 s; Germany 0.48 s; United Kingdom 0.375 s.
    Cadence { tone: Tone::Busy, beats: &[on(Low, 320, 600), off(310, 600), on(Low, 320, 600), off(60, ON)] },
    // United States 0.5 s.
    Cadence { tone: Tone::Busy, beats: &[on(BusyPair, 400, 600), off(400, 600), on(BusyPair, 400, 600), off(60, ON)] },
    // Italy 0.2 s; Germany 0.24 s; France 0.25 s.
    Cadence {
        tone: Tone::Congestion,
        beats: &[on(Low, 150, 300), off(150, 300), on(Low, 150, 300), off(150, 300), on(Low, 150, 300), off(60, 310)],
    },
    // United States 0.25 s.
    Cadence {
        tone: Tone::Congestion,
        beats: &[
            on(BusyPair, 180, 320),
            off(180, 320),
            on(BusyPair, 180, 320),
            off(180, 320),
            on(BusyPair, 180, 320),
            off(60, 330),
        ],
    },
    // United Kingdom 0.4 s on, 0.35 s off, 0.225 s on, 0.525 s off.
    Cadence { tone: Tone::Congestion, beats: &[on(Low, 340, 460), off(290, 410), on(Low, 165, 285), off(460, 600)] },
    // United Kingdom, United States: without end.
    Cadence { tone: Tone::Dial, beats: &[on(DialPair, 1_500, ON)] },
    // Germany 425 Hz, France 440 Hz: longer than any ring.
    Cadence { tone: Tone::Dial, beats: &[on(Low, 2_600, ON)] },
    // Italy 0.2 s on, 0.2 s off, 0.6 s on, 1 s off.
    Cadence { tone: Tone::Dial, beats: &[on(Low, 140, 270), off(130, 270), on(Low, 520, 690), off(700, 1_200)] },
    // Everywhere 0.33 s each, in North America 0.27 s or 0.38 s.
    Cadence {
        tone: Tone::SpecialInformation,
        beats: &[on(FirstOfThree, 190, 460), on(SecondOfThree, 190, 460), on(ThirdOfThree, 190, ON)],
    },
    // 0.5 s on, 3 s off (ITU-T T.30).
    Cadence { tone: Tone::FaxCalling, beats: &[on(FaxCalling, 390, 640), off(400, ON)] },
    // 2.6 to 4 s (ITU-T T.30, V.25).
    Cadence { tone: Tone::FaxAnswering, beats: &[on(FaxAnswering, 500, ON)] },
];
