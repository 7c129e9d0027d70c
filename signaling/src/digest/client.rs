//! The client's side: reading challenges and answering the strongest one.

use std::fmt::Write as _;

use super::{Algorithm, Proof, bare};
use crate::message::{AuthValue, Quoted};

/// Longer nonces and opaques are not answered.
const LONGEST: usize = 1_024;

/// One challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose password is asked for.
    pub realm: String,
    /// With which hash.
    pub algorithm: Algorithm,
    /// The same credentials with a new nonce would do.
    pub stale: bool,
    nonce: String,
    opaque: Option<String>,
    qop: bool,
}

/// Credentials and the count of how often the present nonce was used.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    nonce: String,
    count: u32,
}

/// What [`Answer::to`] made of a set of challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The header value to send.
    Value(String),
    /// None of the challenges is for us.
    NotForUs,
}

impl Challenge {
    /// Reads a `WWW-Authenticate` or `Proxy-Authenticate` value. `None` for one that we cannot
    /// answer: another scheme or algorithm, only `auth-int`, broken.
    #[must_use]
    pub fn read(value: &AuthValue<'_>) -> Option<Self> {
        let get = |name| value.get_written(name).map(bare).filter(|text| text.len() <= LONGEST);
        if !value.is("Digest") {
            return None;
        }
        let algorithm = Algorithm::from_name(get("algorithm").unwrap_or("MD5"))?;
        let qop = match get("qop") {
            None => false,
            Some(list) if list.split(',').any(|one| one.trim().eq_ignore_ascii_case("auth")) => true,
            Some(_) => return None,
        };
        let opaque = match value.get_written("opaque") {
            Some(_) => Some(get("opaque")?.to_owned()),
            None => None,
        };
        let stale = get("stale").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let realm = value.get("realm").filter(|text| text.len() <= LONGEST)?.into_owned();
        Some(Self { realm, nonce: get("nonce")?.to_owned(), algorithm, stale, opaque, qop })
    }

    /// The header value that answers it.
    #[must_use]
    pub fn answer(&self, user: &str, password: &str, method: &str, uri: &str, nc: u32, cnonce: &str) -> String {
        let nc = format!("{nc:08x}");
        let proof = Proof {
            algorithm: self.algorithm,
            method,
            uri,
            nonce: &self.nonce,
            counted: self.qop.then_some((nc.as_str(), cnonce)),
        };
        let response = proof.response(self.algorithm.hex(&[user.as_bytes(), self.realm.as_bytes(), password.as_bytes()]));
        let (user, realm, nonce) = (Quoted(user), Quoted(&self.realm), &self.nonce);
        let (response, algorithm) = (response.as_str(), self.algorithm.as_str());
        let mut value = format!(
            "Digest username={user}, realm={realm}, nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", algorithm={algorithm}"
        );
        // Writing to a string cannot fail.
        if self.qop {
            let _ = write!(value, ", qop=auth, nc={nc}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        value
    }
}

impl Answer {
    /// Answers the strongest of the challenges that are for `realm` (any, when `None`).
    pub fn to<'v>(
        &mut self,
        challenges: impl Iterator<Item = AuthValue<'v>>,
        realm: Option<&str>,
        (user, password): (&str, &str),
        (method, uri): (&str, &str),
        cnonce: &str,
    ) -> Answered {
        let ours = |challenge: &Challenge| realm.is_none_or(|realm| realm == challenge.realm);
        // The first of the strongest: `max_by_key` would take the last.
        let best = challenges
            .filter_map(|value| Challenge::read(&value))
            .filter(ours)
            .reduce(|best, next| if next.algorithm > best.algorithm { next } else { best });
        let Some(challenge) = best else { return Answered::NotForUs };
        if self.nonce == challenge.nonce {
            self.count += 1;
        } else {
            self.nonce.clone_from(&challenge.nonce);
            self.count = 1;
        }
        Answered::Value(challenge.answer(user, password, method, uri, self.count, cnonce))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::auth_values;

    const SHA: &str = r#"Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth", opaque="o""#;
    const MD5: &str = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth,auth-int""#;

    fn answer(state: &mut Answer, challenges: &[&str], realm: Option<&str>) -> Answered {
        state.to(challenges.iter().flat_map(|value| auth_values(value)), realm, ("u", "p"), ("INVITE", "sip:x@carrier"), "c")
    }

    #[test]
    fn the_strongest_known_algorithm_wins_and_the_count_grows_with_the_nonce() {
        let mut state = Answer::default();
        let strong = r#"Digest realm="carrier", nonce="n1", algorithm=SHA-512-256, qop="auth""#;
        let odd = r#"Digest realm="carrier", nonce="n1", algorithm=SHA-1024, qop="auth""#;
        let Answered::Value(value) = answer(&mut state, &[MD5, odd, strong, SHA], None) else { panic!("not answered") };
        assert!(value.contains("algorithm=SHA-512-256"), "{value}");
        for (challenges, nc) in [([MD5, SHA, odd], "nc=00000002"), ([SHA, MD5, odd], "nc=00000003")] {
            let Answered::Value(value) = answer(&mut state, &challenges, Some("carrier")) else { panic!("not answered") };
            assert!(value.contains("algorithm=SHA-256") && value.contains(nc) && value.contains("opaque=\"o\""), "{value}");
        }
    }

    #[test]
    fn a_password_is_never_used_for_another_realm() {
        assert_eq!(answer(&mut Answer::default(), &[SHA, MD5], Some("other")), Answered::NotForUs);
        assert_eq!(answer(&mut Answer::default(), &["Basic realm=\"carrier\""], Some("carrier")), Answered::NotForUs);
    }

    #[test]
    fn a_peer_without_qop_gets_the_old_form() {
        let old = r#"Digest realm="carrier", nonce="n1""#;
        let Answered::Value(value) = answer(&mut Answer::default(), &[old], None) else { panic!("not answered") };
        assert!(!value.contains("qop") && !value.contains("nc=") && value.contains("algorithm=MD5"), "{value}");
    }
}
