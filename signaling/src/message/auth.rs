//! Authorization, Proxy-Authorization, WWW-Authenticate and Proxy-Authenticate: a scheme with its parameters
//! (RFC 3261 section 25.1; RFC 9110 section 11 for several challenges in one line). What they mean is digest's.

use std::borrow::Cow;

use super::scan::{Scanner, is_lws, unquote};

/// Credentials or a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthValue<'a> {
    /// `Digest` or any other scheme, as written.
    pub scheme: &'a str,
    /// What follows it, as written.
    pub text: &'a str,
}

impl<'a> AuthValue<'a> {
    /// True for the scheme, in any case.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// A parameter without quotes and escapes; of two with one name the first counts.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get_written(name).map(unquote)
    }

    /// A parameter as written, with its quotes: digest hashes are taken over what stands between them.
    #[must_use]
    pub fn get_written(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All parameters as written, up to the first that is malformed.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut scanner = Scanner::new(self.text);
        std::iter::from_fn(move || read_param(&mut scanner))
    }
}

/// Splits one header value into its credentials or challenges. What is malformed ends the list.
pub fn auth_values(value: &str) -> impl Iterator<Item = AuthValue<'_>> {
    let mut scanner = Scanner::new(value);
    std::iter::from_fn(move || {
        skip_separators(&mut scanner);
        let scheme = scanner.token()?;
        let (start, mut end) = (scanner, scanner);
        while read_param(&mut scanner).is_some() {
            end = scanner;
        }
        if end.rest().len() == start.rest().len() {
            // No parameters: a lone token68 (Bearer) belongs to the scheme.
            end.take_while(|byte| byte != b',');
        }
        scanner = end;
        let length = start.rest().len() - end.rest().len();
        Some(AuthValue { scheme, text: start.rest().get(..length).unwrap_or("") })
    })
}

fn skip_separators(scanner: &mut Scanner<'_>) {
    scanner.take_while(|byte| is_lws(byte) || byte == b',');
}

/// Reads `name = value` after separators. `None`, with the scanner anywhere, when something else comes.
fn read_param<'a>(scanner: &mut Scanner<'a>) -> Option<(&'a str, &'a str)> {
    skip_separators(scanner);
    let name = scanner.token()?;
    scanner.skip_lws();
    if !scanner.eat(b'=') {
        return None;
    }
    scanner.skip_lws();
    let value = match scanner.peek()? {
        b'"' => scanner.quoted()?,
        // A backslash outside quotes would become an escape once somebody quotes the value.
        _ => scanner.take_while(|byte| byte > b' ' && !matches!(byte, b',' | b'"' | b'\\')),
    };
    if scanner.peek().is_some_and(|next| !is_lws(next) && next != b',') {
        return None;
    }
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_credentials() {
        let value = "Digest username=\"a\\\"b\", realm=\"x, y\",nc=0000000a\r\n , qop=auth, opaque=\"\"";
        let values: Vec<_> = auth_values(value).collect();
        assert_eq!(values.len(), 1);
        assert!(values[0].is("DIGEST"));
        assert_eq!(values[0].get("username").unwrap(), "a\"b");
        assert_eq!(values[0].get("REALM").unwrap(), "x, y");
        assert_eq!(values[0].get_written("nc"), Some("0000000a"));
        assert_eq!(values[0].get("opaque").unwrap(), "");
        assert_eq!(values[0].params().count(), 5);
    }

    #[test]
    fn splits_several_challenges() {
        let value = "Digest realm=\"a\", algorithm=SHA-256, Digest realm=\"a\", algorithm=MD5, Basic realm=b";
        let seen: Vec<_> = auth_values(value).map(|value| (value.scheme, value.get("algorithm"))).collect();
        assert_eq!(seen, [("Digest", Some("SHA-256".into())), ("Digest", Some("MD5".into())), ("Basic", None)]);
    }

    #[test]
    fn unknown_and_broken_values_do_no_harm() {
        let schemes = |text| auth_values(text).map(|value| value.scheme.to_owned()).collect::<Vec<_>>();
        assert_eq!(schemes("NoOneKnowsThisScheme opaque-data=here"), ["NoOneKnowsThisScheme"]);
        assert_eq!(schemes("Bearer abc.def=="), ["Bearer"]);
        assert_eq!(schemes("Digest username=\"open"), ["Digest"]);
        assert_eq!(auth_values("Digest nonce=a\\, realm=b").next().unwrap().params().count(), 0);
        assert_eq!(schemes(""), Vec::<String>::new());
        assert_eq!(schemes("\"x\""), Vec::<String>::new());
    }
}
