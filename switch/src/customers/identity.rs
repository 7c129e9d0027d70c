//! One address of a customer, in the one form in which addresses are compared.
//!
//! Phone numbers become E.164 by the tables of libphonenumber. Of an email address the domain is made small (RFC 5321
//! section 2.4: it does not depend on case); the local part too, because nobody who runs mail tells two people apart by case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of an address as it is given, at most.
const MAX_GIVEN_BYTES: usize = 320;
/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL_BYTES: usize = 64;
/// RFC 1035 section 2.3.4.
const MAX_DOMAIN_BYTES: usize = 253;
/// Digits of a number with its country (E.164 section 6.1), and fewer than which no subscriber has.
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Characters that people write between the digits of a number.
const BETWEEN_DIGITS: &[char] = &[' ', '-', '.', '/', '(', ')', '\u{a0}', '\u{2010}', '\u{2011}', '\u{2013}'];

/// What an address is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityKind {
    /// A phone number, E.164.
    Phone,
    /// An email address.
    Email,
    /// A WhatsApp account: its number, E.164.
    Whatsapp,
    /// What a web page knows a visitor by.
    ChatToken,
    /// What another program (a CRM) calls them: `crm:4711`.
    External,
}

impl IdentityKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Phone, Self::Email, Self::Whatsapp, Self::ChatToken, Self::External];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Whatsapp => "whatsapp",
            Self::ChatToken => "chat-token",
            Self::External => "external",
        }
    }

    /// The kind that a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// The country whose numbers are written without `+` and country code; the plan's `country`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Country(Option<phonenumber::country::Id>);

impl Country {
    /// The country that two letters name (`IT`). Unknown letters are no country: then only numbers with `+` can be read.
    #[must_use]
    pub fn of(letters: Option<&str>) -> Self {
        Self(letters.and_then(|letters| letters.to_ascii_uppercase().parse().ok()))
    }
}

/// Why an address cannot be used. It does not repeat the address, which is personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentity {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Too long for any address.
    #[error("it is longer than any address of its kind")]
    TooLong,
    /// No number.
    #[error("this is no phone number: write it with + and country, or as it is dialled in the country of the plan")]
    NoNumber,
    /// A number without a country.
    #[error("the number has no country: write it with +, or give the plan a `country`")]
    NoCountry,
    /// No address.
    #[error("this is no email address: expected one like ada@example.com")]
    NoEmail,
    /// No token.
    #[error("expected 8 to 128 letters, digits, dots, dashes or underscores")]
    NoToken,
    /// No identifier of another program.
    #[error("expected the name of the program, a colon and its identifier, as in crm:4711")]
    NoExternal,
}

/// One address of a customer, normalised.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    kind: IdentityKind,
    value: String,
}

/// Personal data: only the kind is printed.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.kind.word())
    }
}

impl Identity {
    /// Reads an address as people or other programs write it.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn read(kind: IdentityKind, text: &str, country: Country) -> Result<Self, BadIdentity> {
        let text = text.trim();
        if text.is_empty() {
            return Err(BadIdentity::Empty);
        }
        if text.len() > MAX_GIVEN_BYTES {
            return Err(BadIdentity::TooLong);
        }
        let value = match kind {
            IdentityKind::Phone => number(text, country)?,
            // WhatsApp writes the number of an account with its country and without `+`.
            IdentityKind::Whatsapp if text.bytes().all(|byte| byte.is_ascii_digit()) => number(&format!("+{text}"), country)?,
            IdentityKind::Whatsapp => number(text, country)?,
            IdentityKind::Email => email(text)?,
            IdentityKind::ChatToken => token(text).ok_or(BadIdentity::NoToken)?,
            IdentityKind::External => external(text).ok_or(BadIdentity::NoExternal)?,
        };
        Ok(Self { kind, value })
    }

    /// The caller of a call, when they show a number that somebody can have. A withheld number is nobody's.
    #[must_use]
    pub fn of_caller(from: &str, country: Country) -> Option<Self> {
        Self::read(IdentityKind::Phone, from, country).ok()
    }

    /// An address that was normalised before: as the store has it.
    #[must_use]
    pub const fn kept(kind: IdentityKind, value: String) -> Self {
        Self { kind, value }
    }

    /// What it is one of.
    #[must_use]
    pub const fn kind(&self) -> IdentityKind {
        self.kind
    }

    /// The normalised address: for storage and screens, never for logs.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The country of a number, as two letters.
    #[must_use]
    pub fn country(&self) -> Option<String> {
        if !matches!(self.kind, IdentityKind::Phone | IdentityKind::Whatsapp) {
            return None;
        }
        phonenumber::parse(None, &self.value).ok()?.country().id().map(|id| id.as_ref().to_owned())
    }
}

/// A number with its country, if it is one that a subscriber can have.
fn number(text: &str, country: Country) -> Result<String, BadIdentity> {
    // The library also takes `tel:` and letters of keypads, and whatever stands before the first digit.
    let (plus, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    if !rest.chars().all(|letter| letter.is_ascii_digit() || BETWEEN_DIGITS.contains(&letter)) {
        return Err(BadIdentity::NoNumber);
    }
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    if !(3..=20).contains(&digits) {
        return Err(BadIdentity::NoNumber);
    }
    if !plus && country.0.is_none() {
        return Err(BadIdentity::NoCountry);
    }
    let compact: String = text.chars().filter(|letter| *letter == '+' || letter.is_ascii_digit()).collect();
    let read = phonenumber::parse(country.0, compact).map_err(|_| BadIdentity::NoNumber)?;
    if !read.is_valid() {
        return Err(BadIdentity::NoNumber);
    }
    let e164 = read.format().mode(phonenumber::Mode::E164).to_string();
    let digits = e164.strip_prefix('+').ok_or(BadIdentity::NoNumber)?;
    let good = E164_DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(e164).ok_or(BadIdentity::NoNumber)
}

fn email(text: &str) -> Result<String, BadIdentity> {
    let (local, domain) = text.rsplit_once('@').ok_or(BadIdentity::NoEmail)?;
    let domain = domain.trim_end_matches('.').to_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let local_fits = (1..=MAX_LOCAL_BYTES).contains(&local.len())
        && local.chars().all(|letter| letter.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(letter))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let domain_fits = domain.len() <= MAX_DOMAIN_BYTES && domain.contains('.') && domain.split('.').all(label);
    if !local_fits || !domain_fits {
        return Err(BadIdentity::NoEmail);
    }
    Ok(format!("{}@{domain}", local.to_lowercase()))
}

fn token(text: &str) -> Option<String> {
    let good = (8..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    good.then(|| text.to_owned())
}

fn external(text: &str) -> Option<String> {
    let (program, id) = text.split_once(':')?;
    let name =
        (1..=32).contains(&program.len()) && program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let id = id.trim();
    let good = name && (1..=200).contains(&id.len()) && !id.contains(char::is_control);
    good.then(|| format!("{}:{id}", program.to_lowercase()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    fn read(kind: IdentityKind, text: &str) -> Result<String, BadIdentity> {
        Identity::read(kind, text, Country::of(Some("IT"))).map(|identity| identity.value)
    }

    #[test]
    fn a_number_has_one_form_however_it_is_written() {
        for text in ["+39 02 3041 2345", "02 30412345", "0039 02 30412345", "(02) 3041-2345", "+390230412345"] {
            assert_eq!(read(IdentityKind::Phone, text).as_deref(), Ok("+390230412345"), "{text}");
        }
        assert_eq!(read(IdentityKind::Phone, "347 123 4567").as_deref(), Ok("+393471234567"));
        assert_eq!(read(IdentityKind::Phone, "+44 20 7946 0018").as_deref(), Ok("+442079460018"));
        assert_eq!(read(IdentityKind::Whatsapp, "393471234567").as_deref(), Ok("+393471234567"));
        assert_eq!(Identity::of_caller("+442079460018", Country::of(None)).unwrap().country().as_deref(), Some("GB"));
        assert_eq!(Identity::read(IdentityKind::Phone, "0230412345", Country::of(None)), Err(BadIdentity::NoCountry));
    }

    #[test]
    fn who_withholds_their_number_is_nobody() {
        let withheld = [
            "",
            "anonymous",
            "Anonymous",
            "unavailable",
            "restricted",
            "unknown",
            "asterisk",
            "0000000000",
            "+",
            "1001",
            "sip:x",
        ];
        for from in withheld {
            assert_eq!(Identity::of_caller(from, Country::of(Some("IT"))), None, "{from}");
        }
    }

    #[test]
    fn other_addresses_have_one_form_too() {
        assert_eq!(read(IdentityKind::Email, " Ada.Lovelace@Example.COM. ").as_deref(), Ok("ada.lovelace@example.com"));
        for bad in ["ada", "ada@", "@example.com", "a..b@example.com", "ada@localhost", "a b@example.com", "ada@-x.com", "a@b@"] {
            assert_eq!(read(IdentityKind::Email, bad), Err(BadIdentity::NoEmail), "{bad}");
        }
        assert_eq!(read(IdentityKind::External, "CRM: 4711").as_deref(), Ok("crm:4711"));
        assert_eq!(read(IdentityKind::External, "4711"), Err(BadIdentity::NoExternal));
        assert_eq!(read(IdentityKind::ChatToken, "abc"), Err(BadIdentity::NoToken));
        assert_eq!(format!("{:?}", Identity::of_caller("+393471234567", Country::default()).unwrap()), "phone:…");
    }

    proptest! {
        #[test]
        fn what_was_read_reads_back_as_itself(kind in 0usize..5, text in "[+0-9 ()@a-zA-Z.:/_-]{0,40}|\\PC{0,60}") {
            let kind = IdentityKind::ALL[kind];
            if let Ok(first) = Identity::read(kind, &text, Country::of(Some("IT"))) {
                prop_assert_eq!(Identity::read(kind, first.value(), Country::of(Some("IT"))), Ok(first));
            }
        }
    }
}
