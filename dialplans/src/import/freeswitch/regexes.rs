//! Regular expressions of FreeSWITCH, which fit a part of a number, as ours, which fit the whole.

/// A condition on a number.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// Over the whole number, with groups `g1`, `g2`, ….
    pub(super) text: String,
    /// Compiled, as FreeSWITCH would use it.
    theirs: regex::Regex,
    /// `$1` is the whole number.
    pub(super) first_is_all: bool,
    /// The only number that fits.
    pub(super) single: Option<String>,
}

impl Expression {
    /// `None` for what cannot be told in ours.
    pub(super) fn parse(theirs: &str) -> Option<Self> {
        let compiled = regex::RegexBuilder::new(theirs).size_limit(1 << 18).nest_limit(32).build().ok()?;
        let mut groups = 0;
        let parts = alternatives(theirs)?;
        let mut out = Vec::new();
        for part in &parts {
            let (from, rest) = match part.strip_prefix('^') {
                Some(rest) => ("", rest),
                None => (".*", part.as_str()),
            };
            let (rest, to) = match rest.strip_suffix('$').filter(|rest| !rest.ends_with('\\')) {
                Some(rest) => (rest, ""),
                None => (rest, ".*"),
            };
            out.push(format!("{from}{}{to}", named(rest, &mut groups)?));
        }
        let text = if out.len() == 1 {
            out.remove(0)
        } else {
            out.iter().map(|part| format!("(?:{part})")).collect::<Vec<_>>().join("|")
        };
        // Not all that the other side of the anchors says can be said in 256 characters.
        if text.len() > 256 || regex::Regex::new(&text).is_err() {
            return None;
        }
        let inside = parts.first().and_then(|part| part.strip_prefix("^(")?.strip_suffix(")$"));
        let first_is_all = parts.len() == 1 && inside.is_some_and(balanced);
        let bare = parts.first().and_then(|part| part.strip_prefix('^')?.strip_suffix('$')).unwrap_or_default();
        let bare = if first_is_all { inside.unwrap_or_default() } else { bare };
        let bare: String = bare.replace("\\*", "*").replace("\\+", "+").replace("\\#", "#");
        let raw = parts.first().map_or("", String::as_str);
        let is_plain = |c: char| c.is_ascii_digit() || c == '#' || (matches!(c, '*' | '+') && raw.contains('\\'));
        let plain = parts.len() == 1 && !bare.is_empty() && bare.chars().all(is_plain);
        // A star or plus that was not escaped repeats what stands before it.
        let repeats = raw.char_indices().any(|(at, c)| matches!(c, '*' | '+') && !raw[..at].ends_with('\\'));
        let single = (plain && !repeats).then_some(bare);
        Some(Self { text, theirs: compiled, first_is_all, single })
    }

    /// The groups when a number fits.
    pub(super) fn groups(&self, number: &str) -> Option<Vec<String>> {
        let found = self.theirs.captures(number)?;
        Some(found.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect())
    }

    /// Whether both fit the same numbers for sure: they are written alike.
    pub(super) fn is(&self, other: &Self) -> bool {
        let bare = |text: &str| text.replace("(?<g1>", "(").replace("(?:", "(");
        let trim = |text: String| {
            text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).filter(|t| balanced(t)).map_or(text.clone(), str::to_owned)
        };
        trim(bare(&self.text)) == trim(bare(&other.text))
    }
}

/// Parts between the bars that stand in no brackets.
fn alternatives(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut part, mut depth, mut in_class, mut escaped) = (Vec::new(), String::new(), 0_u32, false, false);
    for c in text.chars() {
        if !escaped {
            match c {
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => depth += 1,
                ')' if !in_class => depth = depth.checked_sub(1)?,
                '|' if depth == 0 && !in_class => {
                    parts.push(std::mem::take(&mut part));
                    continue;
                }
                _ => {}
            }
        }
        escaped = c == '\\' && !escaped;
        part.push(c);
    }
    parts.push(part);
    (depth == 0).then_some(parts)
}

/// Groups get names; anchors inside of the expression cannot be told.
fn named(text: &str, groups: &mut usize) -> Option<String> {
    let mut out = String::new();
    let (mut escaped, mut in_class) = (false, false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            'd' if escaped => {
                out.pop();
                out.push_str(if in_class { "0-9" } else { "[0-9]" });
            }
            '[' if !escaped => {
                in_class = true;
                out.push(c);
            }
            ']' if !escaped => {
                in_class = false;
                out.push(c);
            }
            '^' | '$' if !escaped && !in_class => return None,
            '(' if !escaped && !in_class => {
                if rest.peek() == Some(&'?') {
                    out.push(c);
                } else {
                    *groups += 1;
                    out.push_str(&format!("(?<g{groups}>"));
                }
            }
            _ => out.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    Some(out)
}

fn balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    text.chars().all(|c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth >= 0
    }) && depth == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_fit_the_whole_number() {
        for (theirs, ours, all, single) in [
            ("^1000$", "1000", false, Some("1000")),
            ("^(10[01][0-9])$", "(?<g1>10[01][0-9])", true, None),
            ("^9(\\d{7})$", "9(?<g1>[0-9]{7})", false, None),
            ("^\\*98$", "\\*98", false, Some("*98")),
            ("55", ".*55.*", false, None),
            ("^vmain$|^4000$", "(?:vmain)|(?:4000)", false, None),
            ("^\\+?1?(\\d+)$", "\\+?1?(?<g1>[0-9]+)", false, None),
            ("^1+$", "1+", false, None),
        ] {
            let read = Expression::parse(theirs).unwrap();
            assert_eq!((read.text.as_str(), read.first_is_all, read.single.as_deref()), (ours, all, single), "{theirs}");
        }
        for no in ["^(?!1)2$", "(", "^a(^b)$", "^(a)\\1$"] {
            assert!(Expression::parse(no).is_none(), "{no}");
        }
        let read = Expression::parse("^9(\\d)(\\d+)$").unwrap();
        assert_eq!(read.groups("9123"), Some(vec!["1".into(), "23".into()]));
        assert_eq!(read.groups("8123"), None);
        assert!(Expression::parse("^(1[0-9])$").unwrap().is(&Expression::parse("^1[0-9]$").unwrap()));
    }
}
