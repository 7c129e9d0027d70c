//! The Identity header as written (RFC 8224 section 4): a token, where its certificate is, and of which kind it is.

use std::borrow::Cow;

use crate::message::unfold;

/// Longer headers are not read. A `shaken` token with a long URL has about a thousand bytes.
pub(super) const MAX_HEADER_BYTES: usize = 6_144;

/// One Identity header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IdentityHeader<'a> {
    /// The PASSporT.
    pub(super) token: Token<'a>,
    /// The URL in `info`.
    pub(super) info: &'a str,
    /// `alg`, when written.
    pub(super) alg: Option<&'a str>,
    /// `ppt`, when written: the kind of PASSporT.
    pub(super) ppt: Option<&'a str>,
}

/// A PASSporT's text in one of its two forms.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `header.payload.signature` (RFC 8225 section 3).
    Full {
        /// Header and payload with the dot between them: what is signed.
        signed: &'a str,
        /// The header.
        header: &'a str,
        /// The claims.
        payload: &'a str,
        /// The signature.
        signature: &'a str,
    },
    /// `..signature` (RFC 8225 section 7): header and claims must be made from the message.
    Compact,
}

/// The value on one line; `None` when it is too long.
pub(super) fn one_line(value: &str) -> Option<Cow<'_, str>> {
    (value.len() <= MAX_HEADER_BYTES).then(|| unfold(value))
}

impl<'a> IdentityHeader<'a> {
    /// Reads a header that stands on one line; `None` when it breaks the grammar.
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let (digest, params) = value.split_once(';')?;
        let token = Token::parse(digest.trim())?;
        let (mut info, mut alg, mut ppt) = (None, None, None);
        for param in Pieces(params) {
            let (name, value) = param?.split_once('=').map(|(name, value)| (name.trim(), value.trim()))?;
            let slot = match name.to_ascii_lowercase().as_str() {
                "info" => &mut info,
                "alg" => &mut alg,
                "ppt" => &mut ppt,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return None;
            }
        }
        let info = info?.strip_prefix('<')?.strip_suffix('>')?;
        Some(Self { token, info, alg: alg.map(unquoted), ppt: ppt.map(unquoted) })
    }
}

impl<'a> Token<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let is_part = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if signature.is_empty() || ![header, payload, signature].into_iter().all(is_part) {
            return None;
        }
        match (header.is_empty(), payload.is_empty()) {
            (true, true) => Some(Self::Compact),
            (false, false) => Some(Self::Full { signed, header, payload, signature }),
            _ => None,
        }
    }
}

/// A token, or what stands in quotes: both are seen in the wild for `ppt`.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Parameters between semicolons that stand neither in `<>` nor in quotes; `None` once when one of these is open at
/// the end, or a parameter is empty.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Option<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (mut quoted, mut angled) = (false, false);
        let end = self.0.bytes().position(|byte| {
            match byte {
                b'"' if !angled => quoted = !quoted,
                b'<' if !quoted => angled = true,
                b'>' if !quoted => angled = false,
                _ => {}
            }
            byte == b';' && !quoted && !angled
        });
        if end.is_none() && (quoted || angled) {
            self.0 = "";
            return Some(None);
        }
        let (piece, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, ""),
        };
        self.0 = rest;
        Some(Some(piece.trim()).filter(|piece| !piece.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str) -> String {
        IdentityHeader::parse(value).map_or("refused".to_owned(), |header| {
            let form = match header.token {
                Token::Full { header, payload, signature, .. } => format!("{header}+{payload}+{signature}"),
                Token::Compact => "compact".to_owned(),
            };
            format!("{form} {} {:?} {:?}", header.info, header.alg, header.ppt)
        })
    }

    #[test]
    fn reads_both_forms_and_both_spellings_of_ppt() {
        assert_eq!(check("a.b.c;info=<https://c/x>;alg=ES256;ppt=shaken"), r#"a+b+c https://c/x Some("ES256") Some("shaken")"#);
        assert_eq!(
            check("a.b.c ; ppt=\"shaken\" ; Info = <https://c/x;y> ; foo=\"1;2\""),
            r#"a+b+c https://c/x;y None Some("shaken")"#
        );
        assert_eq!(check("..c;info=<https://c/x>"), "compact https://c/x None None");
    }

    #[test]
    fn refuses_what_breaks_the_grammar() {
        for value in [
            "",
            "a.b.c",
            "a.b.c;",
            "a.b.c;alg=ES256",
            "a.b;info=<u>",
            "a..c;info=<u>",
            ".b.c;info=<u>",
            "a.b.;info=<u>",
            "a.b.c.d;info=<u>",
            "a.b+.c;info=<u>",
            "a.b.c;info=u",
            "a.b.c;info=<u",
            "a.b.c;info=<u>;;ppt=x",
            "a.b.c;info=<u>;ppt=\"x",
            "a.b.c;info=<u>;info=<v>",
            "a.b.c;info=<u>;ppt",
        ] {
            assert_eq!(check(value), "refused", "{value}");
        }
    }
}
