//! A question to a service outside, by whose answer a dialplan goes on.
//!
//! What is asked, what counts as an answer, and every way in which there can be none. How it is sent is the wiring's.

use std::fmt;

use crate::{
    cdr::Origin,
    name::{Language, PartyNumber, RouteName, ServiceName},
};

/// Values that one answer may give, at most.
pub const MAX_VALUES: usize = 8;
/// Bytes of one of them, at most.
pub const MAX_VALUE_BYTES: usize = 64;

/// What a service is asked, and what it may answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// Whom.
    pub service: ServiceName,
    /// How long it may take, in ms; after that there is no answer.
    pub budget_ms: u64,
    /// What it may answer: one of these words.
    pub words: Vec<String>,
    /// Values that it may give, by name; others are left out.
    pub receives: Vec<String>,
    /// Where the call came from.
    pub origin: Origin,
    /// Who calls.
    pub from: PartyNumber,
    /// What was dialled.
    pub to: PartyNumber,
    /// The route that asks.
    pub route: Option<RouteName>,
    /// What the caller hears.
    pub language: Language,
    /// What else it is told, by name: text from outside, as all variables are.
    pub variables: Vec<(String, String)>,
}

impl fmt::Debug for Ask {
    /// Only whom: the rest is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({})", self.service)
    }
}

/// What a service answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// One of the words that it was offered.
    pub word: String,
    /// A value for each name that it was asked for, in that order; empty where it gave none.
    pub values: Vec<(String, String)>,
}

impl fmt::Debug for Answer {
    /// Values may be about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.word)
    }
}

/// Why there is no answer. The plan's default holds then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The time was over.
    Late,
    /// No connection, or it was lost.
    Unreachable,
    /// Too many questions to this service are under way.
    Busy,
    /// Another status than 200.
    Status(u16),
    /// The answer is not the JSON that is wanted.
    Malformed,
    /// The answer is too large.
    TooLarge,
    /// The word is none that the plan knows.
    UnknownWord,
    /// A value is no text, too long, or holds control characters.
    BadValue,
    /// The switch was restarted meanwhile: nobody is asked twice.
    Restart,
}

impl Unanswered {
    /// The words for them, as they are counted.
    pub const WORDS: [&str; 9] =
        ["late", "unreachable", "busy", "status", "malformed", "too-large", "unknown-word", "bad-value", "restart"];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Status(_) => "status",
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::UnknownWord => "unknown-word",
            Self::BadValue => "bad-value",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("it cannot be reached"),
            Self::Busy => f.write_str("too many questions to it are under way"),
            Self::Status(status) => write!(f, "status {status} instead of 200"),
            Self::Malformed => f.write_str("the answer is not the JSON that is wanted"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::UnknownWord => f.write_str("a word that the plan does not know"),
            Self::BadValue => f.write_str("a value that is no short text"),
            Self::Restart => f.write_str("the switch was restarted meanwhile"),
        }
    }
}

impl Ask {
    /// Holds what a service said against what it may say.
    ///
    /// # Errors
    /// It is no answer to this question.
    pub fn judge(&self, word: &str, given: impl IntoIterator<Item = (String, String)>) -> Result<Answer, Unanswered> {
        let Some(word) = self.words.iter().find(|known| *known == word) else { return Err(Unanswered::UnknownWord) };
        let mut values: Vec<(String, String)> = self.receives.iter().map(|name| (name.clone(), String::new())).collect();
        for (name, value) in given {
            let Some((_, into)) = values.iter_mut().find(|(wanted, _)| *wanted == name) else { continue };
            if value.len() > MAX_VALUE_BYTES || value.contains(char::is_control) {
                return Err(Unanswered::BadValue);
            }
            *into = value;
        }
        Ok(Answer { word: word.clone(), values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_known_word_and_short_text_for_names_that_were_asked_for() {
        let ask = Ask {
            service: "crm".into(),
            budget_ms: 1_000,
            words: vec!["gold".into(), "silver".into()],
            receives: vec!["name".into(), "language".into()],
            origin: Origin::Trunk("carrier".into()),
            from: "+390212345678".into(),
            to: "100".into(),
            route: None,
            language: "en".into(),
            variables: vec![("account".into(), "4711".into())],
        };
        let judge = |word: &str, given: &[(&str, &str)]| {
            ask.judge(word, given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        let pairs = |answer: Answer| answer.values.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        assert_eq!(judge("gold", &[("language", "it"), ("other", "\n")]).map(pairs), Ok(vec![String::new(), "it".into()]));
        assert_eq!(judge("Gold", &[]), Err(Unanswered::UnknownWord));
        assert_eq!(judge("silver", &[("name", "a\r\nb")]), Err(Unanswered::BadValue));
        assert_eq!(judge("silver", &[("name", &"x".repeat(65))]), Err(Unanswered::BadValue));
        assert!(judge("silver", &[("name", &"x".repeat(64))]).is_ok());
        let shown = format!("{ask:?} {:?}", judge("gold", &[("name", "Rossi")]));
        assert!(!shown.contains("4711") && !shown.contains("Rossi") && !shown.contains("5678"), "{shown}");
    }
}
