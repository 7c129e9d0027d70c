//! Turns what is to be said into recordings, by the grammar of each language.
//!
//! English and Italian. What a language has no grammar for is spoken digit by digit.

use tandem_switch::{
    name::{Language, PromptName},
    step::{Audio, Phrase},
};

/// Numbers from here on are spoken digit by digit.
const NUMBERS_END: u32 = 1_000_000;

/// The recordings of some audio, in the order in which they are played.
#[must_use]
pub fn say(audio: &Audio) -> Vec<PromptName> {
    let grammar = Grammar::of(&audio.language);
    let mut out = Spoken(Vec::new());
    for phrase in &audio.phrases {
        match phrase {
            Phrase::Prompt(prompt) => out.0.push(prompt.clone()),
            Phrase::Number(n) => out.number(grammar, *n),
            Phrase::Digits(digits) => out.digits(digits),
            Phrase::Position(n) => out.position(grammar, *n),
            Phrase::EstimatedWait(minutes) => out.estimated_wait(grammar, *minutes),
            Phrase::Time { hour, minute } => out.time(grammar, *hour, *minute),
        }
    }
    out.0
}

/// Every recording that values can need in a language; `None` when it has no grammar.
#[must_use]
pub fn vocabulary(language: &Language) -> Option<Vec<PromptName>> {
    let grammar = Grammar::of(language)?;
    let mut out = Spoken(Vec::new());
    for n in (0..1_000).chain([1_000, 2_000]) {
        out.number(Some(grammar), n);
    }
    out.digits("0123456789*#");
    for n in 1..3 {
        out.position(Some(grammar), n);
        out.estimated_wait(Some(grammar), n);
    }
    for hour in 0..24 {
        for minute in [0, 5, 30] {
            out.time(Some(grammar), hour, minute);
        }
    }
    out.0.sort_unstable();
    out.0.dedup();
    Some(out.0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    English,
    Italian,
}

impl Grammar {
    fn of(language: &Language) -> Option<Self> {
        match language.as_str() {
            "en" => Some(Self::English),
            "it" => Some(Self::Italian),
            _ => None,
        }
    }
}

/// Recordings in the order spoken.
struct Spoken(Vec<PromptName>);

impl Spoken {
    fn add(&mut self, prompt: &str) {
        self.0.push(PromptName::from(prompt));
    }

    fn digits(&mut self, digits: &str) {
        for digit in digits.chars() {
            match digit {
                '0'..='9' => self.add(&format!("digits/{digit}")),
                '*' => self.add("digits/star"),
                '#' => self.add("digits/hash"),
                _ => {}
            }
        }
    }

    fn number(&mut self, grammar: Option<Grammar>, n: u32) {
        match grammar {
            Some(grammar) if n < NUMBERS_END => {
                self.thousands(grammar, n / 1_000);
                if n == 0 || !n.is_multiple_of(1_000) {
                    self.below_thousand(n % 1_000);
                }
            }
            _ => self.digits(&n.to_string()),
        }
    }

    /// "one thousand", "two thousand"; "mille", "duemila".
    fn thousands(&mut self, grammar: Grammar, thousands: u32) {
        match (grammar, thousands) {
            (_, 0) => {}
            (Grammar::English, 1) => {
                self.add("numbers/1");
                self.add("numbers/thousand");
            }
            (Grammar::Italian, 1) => self.add("numbers/thousand"),
            (_, n) => {
                self.below_thousand(n);
                self.add("numbers/thousands");
            }
        }
    }

    fn below_thousand(&mut self, n: u32) {
        let (hundreds, rest) = (n / 100, n % 100);
        if hundreds > 0 {
            self.add(&format!("numbers/{}", hundreds * 100));
        }
        if rest > 0 || hundreds == 0 {
            self.add(&format!("numbers/{rest}"));
        }
    }

    fn position(&mut self, grammar: Option<Grammar>, n: u32) {
        if n <= 1 {
            self.add("you-are-next");
        } else {
            self.add("queue-position");
            self.number(grammar, n);
            self.add("queue-position-end");
        }
    }

    fn estimated_wait(&mut self, grammar: Option<Grammar>, minutes: u32) {
        self.add("wait-about");
        if minutes <= 1 {
            self.add("one-minute");
        } else {
            self.number(grammar, minutes);
            self.add("minutes");
        }
    }

    fn time(&mut self, grammar: Option<Grammar>, hour: u8, minute: u8) {
        let (hour, minute) = (u32::from(hour % 24), u32::from(minute % 60));
        match grammar {
            Some(Grammar::English) => self.english_time(hour, minute),
            Some(Grammar::Italian) => self.italian_time(hour, minute),
            None => {
                self.number(None, hour);
                self.digits(&format!("{minute:02}"));
            }
        }
    }

    /// "It is five past" is not said: "It is eight oh five A.M."
    fn english_time(&mut self, hour: u32, minute: u32) {
        self.add("time-is");
        match (hour, minute) {
            (0, 0) => return self.add("time/midnight"),
            (12, 0) => return self.add("time/noon"),
            _ => {}
        }
        self.add(&format!("numbers/{}", (hour + 11) % 12 + 1));
        match minute {
            0 => self.add("time/oclock"),
            1..=9 => {
                self.add("time/oh");
                self.add(&format!("numbers/{minute}"));
            }
            _ => self.add(&format!("numbers/{minute}")),
        }
        self.add(if hour < 12 { "time/am" } else { "time/pm" });
    }

    /// "È l'una e cinque", "Sono le ore quattordici e trenta", "Mezzogiorno e dieci".
    fn italian_time(&mut self, hour: u32, minute: u32) {
        match hour {
            0 => self.add("time/midnight"),
            1 => self.add("time/one"),
            12 => self.add("time/noon"),
            _ => {
                self.add("time-is");
                self.add(&format!("numbers/{hour}"));
            }
        }
        if minute > 0 {
            self.add("time/and");
            self.add(&format!("numbers/{minute}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(language: &str, phrase: Phrase) -> String {
        let audio = Audio { language: language.into(), phrases: vec![phrase] };
        say(&audio).iter().map(|p| p.as_str().trim_start_matches("numbers/")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_follow_the_grammar_of_the_language() {
        for (n, english, italian) in [
            (0, "0", "0"),
            (42, "42", "42"),
            (100, "100", "100"),
            (342, "300 42", "300 42"),
            (1_000, "1 thousand", "thousand"),
            (1_001, "1 thousand 1", "thousand 1"),
            (2_100, "2 thousands 100", "2 thousands 100"),
            (121_021, "100 21 thousands 21", "100 21 thousands 21"),
        ] {
            assert_eq!(spoken("en", Phrase::Number(n)), english);
            assert_eq!(spoken("it", Phrase::Number(n)), italian);
        }
        assert_eq!(spoken("en", Phrase::Number(1_000_000)).matches("digits/").count(), 7);
        assert_eq!(spoken("xx", Phrase::Number(12)), "digits/1 digits/2");
    }

    #[test]
    fn announcements_times_and_digits() {
        for (phrase, english, italian) in [
            (Phrase::Position(1), "you-are-next", "you-are-next"),
            (Phrase::Position(3), "queue-position 3 queue-position-end", "queue-position 3 queue-position-end"),
            (Phrase::EstimatedWait(1), "wait-about one-minute", "wait-about one-minute"),
            (Phrase::EstimatedWait(5), "wait-about 5 minutes", "wait-about 5 minutes"),
            (Phrase::Time { hour: 0, minute: 0 }, "time-is time/midnight", "time/midnight"),
            (Phrase::Time { hour: 13, minute: 5 }, "time-is 1 time/oh 5 time/pm", "time-is 13 time/and 5"),
            (Phrase::Time { hour: 1, minute: 30 }, "time-is 1 30 time/am", "time/one time/and 30"),
            (Phrase::Time { hour: 12, minute: 0 }, "time-is time/noon", "time/noon"),
            (Phrase::Time { hour: 9, minute: 0 }, "time-is 9 time/oclock time/am", "time-is 9"),
            (Phrase::Digits("1*#+a".into()), "digits/1 digits/star digits/hash", "digits/1 digits/star digits/hash"),
        ] {
            assert_eq!(spoken("en", phrase.clone()), english);
            assert_eq!(spoken("it", phrase), italian);
        }
    }

    #[test]
    fn whatever_is_spoken_is_in_the_vocabulary() {
        for language in ["en", "it"] {
            let vocabulary = vocabulary(&language.into()).unwrap();
            let mut phrases: Vec<_> = (0..3_000).chain((0..1_000_000).step_by(997)).map(Phrase::Number).collect();
            phrases.extend((0..24).flat_map(|hour| (0..60).map(move |minute| Phrase::Time { hour, minute })));
            phrases.extend((1..500).flat_map(|n| [Phrase::Position(n), Phrase::EstimatedWait(n)]));
            let audio = Audio { language: language.into(), phrases };
            for prompt in say(&audio) {
                assert!(vocabulary.binary_search(&prompt).is_ok(), "{prompt}");
            }
        }
        assert_eq!(vocabulary(&"xx".into()), None);
    }
}
