//! Telephone numbers as they are compared (RFC 8224 section 8.3, RFC 8225 section 5.2.1): digits, `*` and `#`, no `+`.

use std::fmt;

/// E.164 has 15 digits at most; some more for what is dialled behind a prefix.
const MAX_DIGITS: usize = 24;

/// A number in canonical form.
#[derive(Clone, PartialEq, Eq)]
pub struct TelephoneNumber(String);

impl TelephoneNumber {
    /// Reads a claim, which must be canonical already.
    pub(super) fn from_claim(text: &str) -> Option<Self> {
        is_canonical(text).then(|| Self(text.to_owned()))
    }

    /// Makes the user part of a SIP URI, or the number of a `tel` URI, canonical: parameters, visual separators and
    /// the leading `+` go. `None` for what is no number.
    #[must_use]
    pub fn from_user(user: &str) -> Option<Self> {
        let number = user.split(';').next()?;
        let digits: String = number.chars().filter(|letter| !matches!(letter, '-' | '.' | '(' | ')' | ' ')).collect();
        let digits = digits.strip_prefix('+').unwrap_or(&digits);
        Self::from_claim(digits)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a user part means this number. One without `+` may be a number as dialled in the country of the trunk:
    /// with the international prefix, or without its own country code.
    pub(super) fn is_meant_by(&self, user: &str, country_code: Option<&str>) -> bool {
        let Some(Self(dialled)) = Self::from_user(user) else { return false };
        if dialled == self.0 {
            return true;
        }
        if user.starts_with('+') {
            return false;
        }
        let behind_prefix = ["00", "011"].into_iter().find_map(|prefix| dialled.strip_prefix(prefix));
        let at_home = country_code.and_then(|code| self.0.strip_prefix(code));
        behind_prefix == Some(&self.0)
            || at_home.is_some_and(|at_home| [Some(&*dialled), dialled.strip_prefix('0')].contains(&Some(at_home)))
    }
}

impl fmt::Debug for TelephoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Personal data: the last two digits are enough to tell two of them apart in a log.
        write!(f, "…{}", self.0.get(self.0.len().saturating_sub(2)..).unwrap_or_default())
    }
}

fn is_canonical(text: &str) -> bool {
    (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_part_becomes_canonical_or_is_no_number() {
        let canonical = |user| TelephoneNumber::from_user(user).map(|number| number.0);
        assert_eq!(canonical("+1-201-(555).0123;ext=3").as_deref(), Some("12015550123"));
        assert_eq!(canonical("*11#").as_deref(), Some("*11#"));
        for user in ["", "+", "alice", "+1a", "anonymous", "1+2", "1234567890123456789012345"] {
            assert_eq!(canonical(user), None, "{user}");
        }
        assert_eq!(TelephoneNumber::from_claim("+12015550123"), None);
        assert_eq!(format!("{:?}", TelephoneNumber("12015550123".to_owned())), "…23");
    }

    #[test]
    fn a_number_as_dialled_at_home_means_the_whole_one() {
        let number = TelephoneNumber("41445550100".to_owned());
        for (user, country, meant) in [
            ("+41445550100", None, true),
            ("41445550100", None, true),
            ("0041445550100", None, true),
            ("0445550100", Some("41"), true),
            ("445550100", Some("41"), true),
            ("0445550100", None, false),
            ("0445550100", Some("43"), false),
            ("+0445550100", Some("41"), false),
            ("+0041445550100", None, false),
            ("+41445550101", Some("41"), false),
            ("alice", Some("41"), false),
        ] {
            assert_eq!(number.is_meant_by(user, country), meant, "{user} {country:?}");
        }
    }
}
