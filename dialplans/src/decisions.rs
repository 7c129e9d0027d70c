//! What a plan decides by: conditions on values, and services that are asked.

use crate::{
    audio_streams::StreamUrl,
    inside::ExtensionRange,
    pattern::{Captures, NumberMatch},
    plan::{BlockId, DigitShape, parse_number},
    secret::Secret,
    template::Template,
};
use tandem_switch::name::{Language, ServiceName};

/// The word for "none of these", of `switch` and `ask`.
pub(crate) const OTHERWISE: &str = "otherwise";
/// A value that a plan puts together is so long at most, in bytes; a longer one becomes empty.
pub(crate) const MAX_SET_BYTES: usize = 256;
/// How long a service may take, in ms: at least, at most, and unless said.
pub(crate) const BUDGET_MS: (u64, u64, u64) = (100, 5_000, 1_000);

/// A service that a plan asks what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionService {
    /// Where it is.
    pub url: ServiceUrl,
    /// How we prove ourselves there.
    pub token: Option<Secret>,
}

/// An `https` address, or an `http` one of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceUrl(StreamUrl);

impl ServiceUrl {
    /// Reads `https://host:port/path?query`. No user, no fragment, nothing that needs an escape.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => StreamUrl::behind_scheme(true, rest).map(Self),
            (None, Some(rest)) => StreamUrl::behind_scheme(false, rest).map(Self),
            (None, None) => None,
        }
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// Whether it can only be on this machine, by how it is written.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0.is_loopback()
    }

    /// As it is written, with its port.
    #[must_use]
    pub fn text(&self) -> String {
        let scheme = if self.0.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.0.authority(), self.0.path)
    }
}

/// Something that a value is or is not.
#[derive(Debug)]
pub(crate) enum Condition {
    /// Exactly this.
    Is(String),
    /// A number pattern or a regular expression, over the whole value.
    Fits(NumberMatch),
    /// Of this type.
    Type(DigitShape),
    /// There is one, and it is not empty.
    Known,
    /// There is none, or it is empty.
    Empty,
    /// None of the others.
    Otherwise,
}

impl Condition {
    /// What it binds, when it holds.
    pub(crate) fn holds(&self, value: Option<&str>, extensions: &[ExtensionRange]) -> Option<Captures> {
        let said = value.unwrap_or_default();
        let holds = match self {
            Self::Fits(pattern) => return pattern.captures(value?, extensions),
            Self::Is(word) => value == Some(word),
            Self::Type(DigitShape::Digits) => !said.is_empty() && said.bytes().all(|b| b.is_ascii_digit()),
            Self::Type(DigitShape::Extension) => extensions.iter().any(|range| range.contains(said)),
            Self::Type(DigitShape::Number) => parse_number(said).is_some(),
            Self::Known => !said.is_empty(),
            Self::Empty => said.is_empty(),
            Self::Otherwise => true,
        };
        holds.then(Captures::new)
    }

    /// Names that are bound when it holds.
    pub(crate) fn names(&self) -> Vec<&str> {
        if let Self::Fits(pattern) = self { pattern.names() } else { Vec::new() }
    }

    /// In the words of the language; no two conditions that differ have the same.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Is(word) => format!("is {word}"),
            Self::Fits(NumberMatch::Pattern(pattern)) => format!("fits {pattern}"),
            Self::Fits(NumberMatch::Regex(regex)) => format!("matches {}", written(regex)),
            Self::Type(shape) => format!("type {}", shape.word()),
            Self::Known => "known".to_owned(),
            Self::Empty => "empty".to_owned(),
            Self::Otherwise => OTHERWISE.to_owned(),
        }
    }
}

/// An expression as it stands in the plan, which it was anchored for.
fn written(regex: &regex::Regex) -> &str {
    let inner = regex.as_str().strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
    inner.unwrap_or(regex.as_str())
}

impl DigitShape {
    /// The words of the types that a value can be asked for.
    pub(crate) const WORDS: &[&str] = &["digits", "extension", "number"];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Extension => "extension",
            Self::Number => "number",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Digits, Self::Extension, Self::Number].into_iter().find(|shape| shape.word() == word)
    }
}

/// Which language the caller hears from now on.
#[derive(Debug)]
pub(crate) enum LanguageChoice {
    This(Language),
    /// The one that the value names, if the plan speaks it.
    Of(Template),
}

/// The first of some conditions that holds for a value.
#[derive(Debug)]
pub(crate) struct Switch {
    pub(crate) value: Template,
    /// One for each of `choices`, in the order in which they are tried.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) choices: Vec<(String, BlockId)>,
}

impl Switch {
    pub(crate) fn has_otherwise(&self) -> bool {
        self.conditions.iter().any(|condition| matches!(condition, Condition::Otherwise))
    }
}

/// A question to a service.
#[derive(Debug)]
pub(crate) struct AskService {
    pub(crate) service: ServiceName,
    pub(crate) budget_ms: u64,
    /// Variables that it is told.
    pub(crate) sends: Vec<String>,
    /// Variables that it gives values for.
    pub(crate) receives: Vec<String>,
    /// Words of its answer; the last one is [`OTHERWISE`].
    pub(crate) choices: Vec<(String, BlockId)>,
}

impl AskService {
    /// The words that it may answer.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.choices.iter().map(|(word, _)| word.as_str()).filter(|word| *word != OTHERWISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Pattern;

    #[test]
    fn a_condition_holds_for_the_whole_value_or_not_at_all() {
        let range =
            ExtensionRange { from: 1001, to: 1010, media_keys: crate::MediaKeys::None, dtmf: crate::Dtmf::Auto, redirects: true };
        let fits = |text: &str| Condition::Fits(NumberMatch::Pattern(Pattern::parse(text).unwrap()));
        for (condition, value, holds) in [
            (Condition::Is("gold".into()), Some("gold"), true),
            (Condition::Is("gold".into()), Some("golden"), false),
            (Condition::Is("gold".into()), Some("Gold"), false),
            (Condition::Is("gold".into()), None, false),
            (fits("10XX"), Some("1099"), true),
            (fits("10XX"), Some("10999"), false),
            (fits("10XX"), None, false),
            (Condition::Type(DigitShape::Digits), Some("42"), true),
            (Condition::Type(DigitShape::Digits), Some(""), false),
            (Condition::Type(DigitShape::Extension), Some("1010"), true),
            (Condition::Type(DigitShape::Extension), Some("1011"), false),
            (Condition::Type(DigitShape::Number), Some("+39 02 1234"), true),
            (Condition::Type(DigitShape::Number), Some("1000@evil.example"), false),
            (Condition::Known, Some("x"), true),
            (Condition::Known, Some(""), false),
            (Condition::Known, None, false),
            (Condition::Empty, None, true),
            (Condition::Empty, Some(""), true),
            (Condition::Empty, Some("x"), false),
            (Condition::Otherwise, None, true),
        ] {
            assert_eq!(condition.holds(value, &[range]).is_some(), holds, "{} for {value:?}", condition.label());
        }
        let bound = fits("9{rest:2..4}").holds(Some("9123"), &[]).unwrap();
        assert_eq!(bound, [("rest".to_owned(), "123".to_owned())]);
    }

    #[test]
    fn a_service_is_at_an_https_address() {
        let url = ServiceUrl::parse("https://crm.example.com/decide?v=1").unwrap();
        assert_eq!((url.text().as_str(), url.is_secure()), ("https://crm.example.com:443/decide?v=1", true));
        assert!(ServiceUrl::parse("http://127.0.0.1:8080/").is_some_and(|url| url.is_loopback() && !url.is_secure()));
        for bad in ["", "crm.example.com", "wss://a/", "ftp://a/", "https://u:p@a/", "https://a/#x", "https://a b/"] {
            assert_eq!(ServiceUrl::parse(bad), None, "{bad}");
        }
    }
}
