//! One value of the text, parsed to the type that the table wants there.

use std::net::{IpAddr, SocketAddr};

use jiff::tz::TimeZone;
use kdl::KdlValue;

use crate::{
    diagnostic::did_you_mean,
    grammar::Kind,
    imports::is_import,
    pattern::Pattern,
    schedule::{DateRule, Days, Hours, time_zone},
    secret::Secret,
    settings::{HostPort, Network},
    simulate::When,
    source::Location,
    template::{Template, is_variable},
};

/// A parsed value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) at: Location,
    pub(crate) data: Data,
}

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Text(String),
    Flag(bool),
    Ms(u64),
    Count(u32),
    Bind(SocketAddr),
    Ip(IpAddr),
    Ports(u16, u16),
    Network(Network),
    Peer(HostPort),
    Secret(Secret),
    Pattern(Pattern),
    Regex(Box<regex::Regex>),
    Template(Template),
    Zone(TimeZone),
    Days(Days),
    Hours(Hours),
    Dates(DateRule),
    When(When),
    Calendar(String),
    /// It was wrong, and that was said.
    Bad,
}

/// What is wrong with a value.
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { code: "bad-value", message: message.into(), suggestion: None }
    }
}

/// The word where a time may be endless.
pub(crate) const NEVER: &str = "never";

/// The code of the one problem whose text must not be shown.
pub(crate) const INLINE_SECRET: &str = "inline-secret";

/// Parses a value as `kind`.
pub(crate) fn parse(kind: Kind, value: &KdlValue) -> Result<Data, Problem> {
    match kind {
        Kind::Flag => match value {
            KdlValue::Bool(on) => Ok(Data::Flag(*on)),
            _ => Err(Problem::new("expected `#true` or `#false`")),
        },
        Kind::Count(low, high) => match value.as_integer() {
            Some(n) if (i128::from(low)..=i128::from(high)).contains(&n) => Ok(Data::Count(u32::try_from(n).unwrap_or(high))),
            _ => Err(Problem::new(format!("expected a whole number from {low} to {high}, without quotes"))),
        },
        _ => match value {
            KdlValue::String(text) => of_text(kind, text),
            KdlValue::Integer(n) if *n >= 0 => Err(Problem {
                suggestion: Some(format!("write it in quotes: `\"{n}\"`")),
                ..Problem::new("expected text, not a number")
            }),
            _ => Err(Problem::new(format!("expected a {}", kind.title()))),
        },
    }
}

fn of_text(kind: Kind, text: &str) -> Result<Data, Problem> {
    let plain = |fits: bool, expected: &str| {
        if fits { Ok(Data::Text(text.to_owned())) } else { Err(Problem::new(format!("expected {expected}"))) }
    };
    match kind {
        Kind::Declares(_) => plain(is_name(text), "a name of 1 to 64 letters, digits, `-`, `_` or `.`"),
        Kind::Refers(_) => plain(text.split('/').all(is_name) && text.len() <= 128, "a name"),
        Kind::OneOf(words) if words.contains(&text) => Ok(Data::Text(text.to_owned())),
        Kind::OneOf(words) => Err(Problem {
            suggestion: did_you_mean(text, words.iter().copied()),
            ..Problem::new(format!("`{text}` is not known here: expected {}", kind.title()))
        }),
        Kind::Text => {
            plain((1..=256).contains(&text.chars().count()) && !text.contains(char::is_control), "text of 1 to 256 characters")
        }
        Kind::DurationOrNever if text == NEVER => Ok(Data::Text(text.to_owned())),
        Kind::Duration | Kind::DurationOrNever => duration_ms(text).map(Data::Ms).map_err(Problem::new),
        Kind::Bind => text
            .parse()
            .map(Data::Bind)
            .map_err(|_| Problem::new("expected an address and a port, as in `127.0.0.1:5060` or `[::1]:5060`")),
        Kind::Ip => text.parse().map(Data::Ip).map_err(|_| Problem::new("expected an IP address, as in `192.0.2.1`")),
        Kind::Ports => {
            ports(text).ok_or_else(|| Problem::new("expected a range of ports, as in `20000-29999`: from 1024 on, at least 4"))
        }
        Kind::Network => text
            .parse()
            .map(Data::Network)
            .map_err(|()| Problem::new("expected an address or a network, as in `192.0.2.7` or `192.0.2.0/24`")),
        Kind::Peer => text
            .parse()
            .map(Data::Peer)
            .map_err(|()| Problem::new("expected a host, as in `192.0.2.1:5060` or `sip.carrier.example`")),
        Kind::Secret => secret(text),
        Kind::FileName => plain(is_name(text), "a plain file name"),
        Kind::Folder => plain(is_path(text), "a relative path of plain names"),
        Kind::PlanFile => {
            plain(is_import(text), "the path of a `.kdl` or `.ics` file in or below this folder, as in `shared/hours.kdl`")
        }
        Kind::Contact => plain(is_contact(text), "an address such as `sip:agent{n}@192.0.2.9:5060`"),
        Kind::Pattern => Pattern::parse(text).map(Data::Pattern).map_err(Problem::new),
        Kind::Regex => regex(text),
        Kind::Extension => plain(is_extension(text), "an extension: 1 to 9 digits"),
        Kind::Template => Template::parse(text).map(Data::Template).map_err(Problem::new),
        Kind::Variable => plain(is_variable(text), "a name of lower-case letters, digits and dashes"),
        Kind::LanguageOrVariable if text.contains('{') => Template::parse(text).map(Data::Template).map_err(Problem::new),
        Kind::Language | Kind::LanguageOrVariable => plain(is_language(text), "a language of two letters, as in `en`"),
        Kind::Country => {
            plain(text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()), "two capital letters, as in `IT`")
        }
        Kind::TimeZone => time_zone(text).map(Data::Zone).ok_or_else(|| {
            let zones: Vec<_> = jiff::tz::TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
            Problem {
                suggestion: did_you_mean(text, zones.iter().map(String::as_str)),
                ..Problem::new(format!("`{text}` is no time zone"))
            }
        }),
        Kind::Key => plain(text.len() == 1 && is_keys(text), "one key: a digit, `*` or `#`"),
        Kind::Keys => plain(is_keys(text), "1 to 8 keys: digits, `*` or `#`"),
        Kind::Days => Days::parse(text).map(Data::Days).map_err(Problem::new),
        Kind::Hours => Hours::parse(text).map(Data::Hours).map_err(Problem::new),
        Kind::Dates => DateRule::parse(text).map(Data::Dates).map_err(Problem::new),
        Kind::Holidays if text.ends_with(".ics") => {
            plain(is_name(text), "the plain name of a calendar file").map(|_| Data::Calendar(text.to_owned()))
        }
        Kind::When => When::parse(text).map(Data::When).map_err(Problem::new),
        Kind::Age => days(text).map(Data::Count).ok_or_else(|| Problem::new("expected 1 to 36500 days, as in `90d`")),
        Kind::Holidays => DateRule::parse(text).map(Data::Dates).map_err(Problem::new),
        Kind::Flag | Kind::Count(..) => Err(Problem::new(format!("expected a {}", kind.title()))),
    }
}

/// `500ms`, `20s`, `2m30s`, `1h`; up to a day.
pub(crate) fn duration_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration: expected as in `500ms`, `20s`, `2m30s` or `1h`");
    let mut total: u64 = 0;
    let mut rest = text;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let amount: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        if unit >= smallest {
            return Err(wrong());
        }
        smallest = unit;
        total = amount.checked_mul(unit).and_then(|ms| total.checked_add(ms)).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    match total {
        0 => Err(if text.is_empty() { wrong() } else { "a duration is longer than nothing".into() }),
        1..=86_400_000 => Ok(total),
        _ => Err("a duration is at most a day".into()),
    }
}

fn days(text: &str) -> Option<u32> {
    let days = text.strip_suffix('d').filter(|days| days.bytes().all(|b| b.is_ascii_digit()))?;
    days.parse().ok().filter(|days| (1..=36_500).contains(days))
}

fn ports(text: &str) -> Option<Data> {
    let (from, to) = text.split_once('-')?;
    let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
    (from >= 1024 && to >= from.saturating_add(3)).then_some(Data::Ports(from, to))
}

fn secret(text: &str) -> Result<Data, Problem> {
    if let Some(name) = text.strip_prefix("env:") {
        let fits = (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return if fits {
            Ok(Data::Secret(Secret::Env(name.into())))
        } else {
            Err(Problem::new("expected the name of an environment variable after `env:`"))
        };
    }
    if let Some(path) = text.strip_prefix("file:") {
        let bare = path.strip_prefix('/').unwrap_or(path);
        return if is_path(bare) {
            Ok(Data::Secret(Secret::File(path.into())))
        } else {
            Err(Problem::new("expected a path after `file:`"))
        };
    }
    Err(Problem {
        code: INLINE_SECRET,
        message: "a secret may not stand in the plan".into(),
        suggestion: Some("keep it elsewhere and write `env:NAME` or `file:path`".into()),
    })
}

fn regex(text: &str) -> Result<Data, Problem> {
    let anchored = format!("^(?:{text})$");
    match regex::RegexBuilder::new(&anchored).size_limit(1 << 18).nest_limit(32).build() {
        Ok(_) if text.len() > 256 => Err(Problem::new("a regular expression has at most 256 characters")),
        Ok(regex) => match regex.capture_names().flatten().find(|name| !is_variable(name)) {
            Some(name) => {
                Err(Problem::new(format!("the group `{name}` cannot name a variable: expected lower-case letters and digits")))
            }
            None => Ok(Data::Regex(Box::new(regex))),
        },
        Err(error) => {
            let last = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Problem::new(format!("this is no regular expression: {last}")))
        }
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !text.starts_with('.')
}

fn is_path(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.split('/').all(|part| is_name(part) || part == "..")
}

fn is_contact(text: &str) -> bool {
    text.starts_with("sip:")
        && text.len() <= 128
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'"' | b','))
}

fn is_keys(text: &str) -> bool {
    (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'*' || b == b'#')
}

pub(crate) fn is_extension(text: &str) -> bool {
    (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_language(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in [("500ms", 500), ("20s", 20_000), ("2m30s", 150_000), ("1h", 3_600_000), ("24h", 86_400_000)] {
            assert_eq!(duration_ms(text), Ok(ms));
        }
        for bad in ["", "20", "s", "0s", "20 s", "30s2m", "25h", "1d", "-1s", "99999999999999999999s"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_are_whole_days() {
        assert_eq!((days("1d"), days("90d"), days("36500d")), (Some(1), Some(90), Some(36_500)));
        for bad in ["", "d", "90", "0d", "36501d", "+1d", "1.5d", "90 d", "12h"] {
            assert_eq!(days(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_secret_in_the_open_is_refused() {
        assert!(matches!(secret("env:CARRIER"), Ok(Data::Secret(Secret::Env(_)))));
        assert!(matches!(secret("file:secrets/carrier"), Ok(Data::Secret(Secret::File(_)))));
        assert!(secret("hunter2").is_err_and(|p| p.code == INLINE_SECRET && !p.message.contains("hunter2")));
        assert!(secret("env:").is_err() && secret("file:a b").is_err());
    }
}
